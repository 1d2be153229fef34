import { MemoryLog } from '../log/memory-log.ts';
import type { Batch, LogChunk } from '../log/message-log.ts';
import type { SeededRandom } from './seeded-random.ts';

type Places = { readonly first: number; readonly last: number };

/**
 * What the disk of the servers of a run has, over all their lives; parts of it may be damaged. Beside it is all that was ever stored,
 * which no server sees: by it is judged what was told of messages that are gone.
 */
export class DurableLog extends MemoryLog {
  /** All that was ever stored of rooms made by `createRoom`. */
  readonly archive = new MemoryLog();
  /** Batches of which what is stored does not have its checksum, by room. */
  readonly #damaged = new Map<string, Places[]>();
  /** The last place of each room that was pruned. */
  readonly #pruned = new Map<string, number>();
  /** Batches that were stored. */
  readonly #stored = new Map<string, Places[]>();

  override async createRoom(room: string, creator: string, now: number): Promise<void> {
    await this.archive.createRoom(room, creator, now);
    if (!this.#stored.has(room)) this.#stored.set(room, []);
    return super.createRoom(room, creator, now);
  }

  override async deleteRoom(room: string): Promise<boolean> {
    await this.archive.deleteRoom(room);
    for (const places of [this.#damaged, this.#pruned, this.#stored]) places.delete(room);
    return super.deleteRoom(room);
  }

  override async append(batch: Batch) {
    const appended = await super.append(batch);
    if (!appended.stored) return appended;
    await this.archive.append(batch);
    this.#stored.get(batch.room)?.push({ first: batch.first, last: batch.last });
    return appended;
  }

  override async prune(before: number, emptyBefore: number): Promise<boolean> {
    const more = await super.prune(before, emptyBefore);
    for (const room of this.#stored.keys()) {
      const state = await super.roomState(room);
      if (state !== undefined) this.#pruned.set(room, state.first - 1);
    }
    return more;
  }

  override async read(room: string, after: number, maxBytes: number): Promise<LogChunk | undefined> {
    const chunk = await super.read(room, after, maxBytes);
    if (chunk === undefined) return undefined;
    const hit = this.#damaged
      .get(room)
      ?.find(({ first, last }) => first <= chunk.last && last >= chunk.first);
    if (hit === undefined) return chunk;
    if (hit.first > chunk.first) return upTo(chunk, hit.first - 1);
    return { first: chunk.first, last: hit.last, frames: new Uint8Array(0), damaged: true };
  }

  /** Damages one of a room's batches that are kept. @returns whether there was one */
  damage(room: string, random: SeededRandom): boolean {
    const kept = (this.#stored.get(room) ?? []).filter(({ last }) => !this.isGone(room, last));
    if (kept.length === 0) return false;
    const places = this.#damaged.get(room) ?? [];
    this.#damaged.set(
      room,
      [...places, random.pick(kept)].sort((one, other) => one.first - other.first),
    );
    return true;
  }

  /** Whether the message at a place was stored, and cannot be read any more. */
  isGone(room: string, seq: number): boolean {
    if (this.isPruned(room, seq)) return true;
    return (this.#damaged.get(room) ?? []).some(({ first, last }) => first <= seq && seq <= last);
  }

  /** Whether it was pruned: then nobody is told of it. */
  isPruned(room: string, seq: number): boolean {
    return seq <= (this.#pruned.get(room) ?? 0);
  }

  /** Whether any is gone. */
  hasGone(room: string): boolean {
    return this.#damaged.has(room) || (this.#pruned.get(room) ?? 0) > 0;
  }

  /** Messages that were pruned, of all rooms. */
  get pruned(): number {
    return this.#pruned.values().reduce((sum, last) => sum + last, 0);
  }
}

/** A chunk without what stands behind a place: frames are a length of 32 bits, and so many bytes. */
function upTo(chunk: LogChunk, last: number): LogChunk {
  const view = new DataView(chunk.frames.buffer, chunk.frames.byteOffset);
  let end = 0;
  for (let seq = chunk.first; seq <= last; seq += 1) end += 4 + view.getUint32(end);
  return { ...chunk, last, frames: chunk.frames.slice(0, end) };
}
