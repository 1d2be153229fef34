import { skipFrames } from './frame-run.ts';
import { LogError } from './log-error.ts';
import type { Batch, LogChunk, MessageLog, RoomState } from './message-log.ts';

interface Room {
  head: number;
  batches: Batch[];
  lastN: Map<string, number>;
}

/** A log that keeps everything in memory and nothing when the process ends. For tests. */
export class MemoryLog implements MessageLog {
  readonly #rooms = new Map<string, Room>();
  #closed = false;

  async createRoom(room: string): Promise<void> {
    this.#check();
    if (!this.#rooms.has(room)) this.#rooms.set(room, { head: 0, batches: [], lastN: new Map() });
  }

  async roomState(room: string): Promise<RoomState | undefined> {
    this.#check();
    const found = this.#rooms.get(room);
    if (found === undefined) return undefined;
    const { head, batches } = found;
    const bytes = batches.reduce((sum, batch) => sum + batch.frames.length, 0);
    return { head, first: batches[0]?.first ?? head + 1, bytes };
  }

  async roomCount(): Promise<number> {
    this.#check();
    return this.#rooms.size;
  }

  async lastN(room: string, member: string): Promise<number> {
    this.#check();
    return this.#rooms.get(room)?.lastN.get(member) ?? 0;
  }

  async append(batches: readonly Batch[]): Promise<void> {
    this.#check();
    const heads = new Map([...this.#rooms].map(([id, { head }]) => [id, head]));
    for (const { room, first, last } of batches) {
      const head = heads.get(room);
      if (head === undefined || first !== head + 1) {
        throw new LogError('LOG_OUT_OF_ORDER', `A batch begins at ${first}, the room's head is ${head}.`);
      }
      heads.set(room, last);
    }
    for (const batch of batches) this.#store(this.#rooms.get(batch.room)!, batch);
  }

  #store(room: Room, batch: Batch): void {
    room.head = batch.last;
    room.batches.push({ ...batch, frames: batch.frames.slice() });
    for (const { member, lastN } of batch.members) room.lastN.set(member, lastN);
  }

  async read(room: string, after: number, maxBytes: number): Promise<LogChunk | undefined> {
    this.#check();
    const parts: Uint8Array[] = [];
    let bytes = 0;
    let first = 0;
    let last = 0;
    for (const batch of this.#rooms.get(room)?.batches ?? []) {
      if (batch.last <= after) continue;
      if (parts.length > 0 && bytes + batch.frames.length > maxBytes) break;
      if (parts.length === 0) first = Math.max(batch.first, after + 1);
      const part = skipFrames(batch.frames, Math.max(0, after + 1 - batch.first));
      parts.push(part);
      bytes += part.length;
      last = batch.last;
    }
    return parts.length === 0 ? undefined : { first, last, frames: Buffer.concat(parts) };
  }

  async prune(before: number): Promise<boolean> {
    this.#check();
    for (const room of this.#rooms.values()) {
      room.batches = room.batches.filter(({ time }) => time >= before);
    }
    return false;
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #check(): void {
    if (this.#closed) throw new LogError('LOG_CLOSED', 'The message log is closed.');
  }
}
