import { cutFrames, skipFrames } from './frame-run.ts';
import { LogError } from './log-error.ts';
import type {
  Appended,
  Batch,
  LastMessage,
  LogChunk,
  MessageLog,
  RoomCounts,
  RoomState,
  RoomSummary,
  Watcher,
} from './message-log.ts';
import { RoomWatchers } from './room-watchers.ts';

interface Room {
  readonly createdAt: number;
  readonly creator: string;
  usedAt: number;
  head: number;
  batches: Batch[];
  readonly last: Map<string, LastMessage>;
}

const nobody: LastMessage = { n: 0, hash: new Uint8Array(32) };

/** A log that keeps everything in memory and nothing when the process ends. For tests and simulations. */
export class MemoryLog implements MessageLog {
  readonly #rooms = new Map<string, Room>();
  readonly #watchers = new RoomWatchers();
  #closed = false;

  async createRoom(id: string, creator: string, now: number): Promise<void> {
    this.#check();
    if (this.#rooms.has(id)) return;
    const room = { createdAt: now, usedAt: now, creator, head: 0, batches: [], last: new Map() };
    this.#rooms.set(id, room);
  }

  async roomState(id: string): Promise<RoomState | undefined> {
    this.#check();
    const room = this.#rooms.get(id);
    return room === undefined ? undefined : stateOf(room);
  }

  async roomCounts(creator: string): Promise<RoomCounts> {
    this.#check();
    const ofCreator = [...this.#rooms.values()].filter((room) => room.creator === creator).length;
    return { all: this.#rooms.size, ofCreator };
  }

  async rooms(after: string, count: number): Promise<readonly RoomSummary[]> {
    this.#check();
    const ids = [...this.#rooms.keys()].filter((id) => id > after).sort();
    return ids.slice(0, count).map((id) => {
      const room = this.#rooms.get(id)!;
      const { createdAt, usedAt, creator, last } = room;
      return { room: id, ...stateOf(room), createdAt, usedAt, creator, members: last.size };
    });
  }

  async deleteRoom(id: string): Promise<boolean> {
    this.#check();
    if (!this.#rooms.delete(id)) return false;
    this.#watchers.failed(id, new LogError('LOG_NO_SUCH_ROOM', 'The room was deleted.'));
    return true;
  }

  async lastOf(id: string, member: string): Promise<LastMessage> {
    this.#check();
    return this.#rooms.get(id)?.last.get(member) ?? nobody;
  }

  async append(batch: Batch): Promise<Appended> {
    this.#check();
    const room = this.#rooms.get(batch.room);
    if (room === undefined) throw new LogError('LOG_NO_SUCH_ROOM', 'There is no such room.');
    if (batch.first !== room.head + 1) return { stored: false, head: room.head };
    room.head = batch.last;
    room.usedAt = batch.time;
    room.batches.push({ ...batch, frames: new Uint8Array(batch.frames) });
    for (const { member, last } of batch.members) room.last.set(member, last);
    this.#watchers.stored(batch);
    return { stored: true };
  }

  async read(id: string, after: number, maxBytes: number): Promise<LogChunk | undefined> {
    this.#check();
    const parts: Uint8Array[] = [];
    let bytes = 0;
    let first = 0;
    let last = 0;
    for (const batch of this.#rooms.get(id)?.batches ?? []) {
      if (batch.last <= after) continue;
      if (parts.length === 0) first = Math.max(batch.first, after + 1);
      const rest = skipFrames(batch.frames, Math.max(0, after + 1 - batch.first));
      const cut = cutFrames(rest, parts.length === 0, maxBytes - bytes);
      if (cut.count === 0) break;
      parts.push(cut.frames);
      bytes += cut.frames.length;
      last = Math.max(batch.first - 1, after) + cut.count;
      if (last < batch.last) break;
    }
    return parts.length === 0 ? undefined : { first, last, frames: joined(parts, bytes), damaged: false };
  }

  watch(id: string, from: number, watcher: Watcher): Disposable {
    const room = this.#rooms.get(id);
    const missed = room?.batches.filter(({ last }) => last > from) ?? [];
    const watch = this.#watchers.add(id, watcher);
    for (const batch of missed) watcher.stored(batch);
    return watch;
  }

  async prune(before: number, emptyBefore: number): Promise<boolean> {
    this.#check();
    for (const [id, room] of this.#rooms) {
      // Always from the first on: a clock that was ahead once must not leave a hole.
      room.batches.splice(0, room.batches.findLastIndex(({ time }) => time < before) + 1);
      if (room.head === 0 && room.createdAt < emptyBefore) await this.deleteRoom(id);
    }
    return false;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#watchers.failedAll(closed());
  }

  #check(): void {
    if (this.#closed) throw closed();
  }
}

function stateOf({ head, batches }: Room): RoomState {
  const bytes = batches.reduce((sum, { frames }) => sum + frames.length, 0);
  return { head, first: batches[0]?.first ?? head + 1, bytes };
}

function closed(): LogError {
  return new LogError('LOG_CLOSED', 'The message log is closed.');
}

function joined(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
