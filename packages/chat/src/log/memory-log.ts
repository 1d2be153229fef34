import { joined } from '../bytes.ts';
import { checkBatch, checkNewRoom, cutBatch } from './batch.ts';
import { goneBehind, LogError, shortId } from './log-error.ts';
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
import { Watchers } from './watchers.ts';

interface Room {
  head: number;
  batches: Batch[];
  readonly members: Map<string, LastMessage>;
  readonly creator: string;
  readonly createdAt: number;
  usedAt: number;
}

/**
 * A log that keeps everything in memory and nothing when the process ends: for tests and simulations. Everything
 * costs O(1) or O(what is given), but for `roomState` and `read`, O(batches of the room), and what goes through all rooms.
 */
export class MemoryLog implements MessageLog {
  readonly #rooms = new Map<string, Room>();
  readonly #watchers = new Watchers(async (room, after) => this.#next(room, after));
  #closed = false;

  async createRoom(room: string, creator: string, now: number): Promise<void> {
    this.#check();
    checkNewRoom(room, creator, now);
    if (this.#rooms.has(room)) return;
    this.#rooms.set(room, { head: 0, batches: [], members: new Map(), creator, createdAt: now, usedAt: now });
  }

  async roomState(room: string): Promise<RoomState | undefined> {
    this.#check();
    const found = this.#rooms.get(room);
    return found && stateOf(found);
  }

  async roomCounts(creator: string): Promise<RoomCounts> {
    this.#check();
    let ofCreator = 0;
    for (const room of this.#rooms.values()) if (room.creator === creator) ofCreator += 1;
    return { all: this.#rooms.size, ofCreator };
  }

  async rooms(after: string, count: number): Promise<readonly RoomSummary[]> {
    this.#check();
    const ids = [...this.#rooms.keys()].filter((id) => id > after).sort();
    return ids.slice(0, count).map((id) => {
      const room = this.#rooms.get(id)!;
      const { creator, createdAt, usedAt, members } = room;
      return {
        room: id,
        ...stateOf(room),
        creator,
        createdAt,
        usedAt,
        members: members.size,
        damaged: false,
      };
    });
  }

  async deleteRoom(room: string): Promise<boolean> {
    this.#check();
    return this.#forget(room);
  }

  async lastOf(room: string, member: string): Promise<LastMessage> {
    this.#check();
    return this.#rooms.get(room)?.members.get(member) ?? { n: 0, hash: new Uint8Array(32) };
  }

  async append(batch: Batch): Promise<Appended> {
    this.#check();
    checkBatch(batch);
    const room = this.#rooms.get(batch.room);
    if (room === undefined) throw noRoom(batch.room);
    if (batch.first !== room.head + 1) return { stored: false, head: room.head };
    room.head = batch.last;
    room.usedAt = batch.time;
    room.batches.push(batch);
    for (const { member, last } of batch.members) room.members.set(member, last);
    await this.#watchers.stored(batch);
    return { stored: true };
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
      const part = cut(batch, after, maxBytes);
      if (parts.length === 0) first = part.first;
      parts.push(part.frames);
      bytes += part.frames.length;
      last = part.last;
      if (last < batch.last) break;
    }
    return parts.length === 0 ? undefined : { first, last, frames: joined(parts), damaged: false };
  }

  watch(room: string, from: number, watcher: Watcher): Disposable {
    return this.#watchers.watch(room, from, watcher);
  }

  async prune(before: number, emptyBefore: number): Promise<boolean> {
    this.#check();
    for (const [id, room] of this.#rooms) {
      room.batches.splice(0, room.batches.findLastIndex(({ time }) => time < before) + 1);
      if (room.head === 0 && room.createdAt < emptyBefore && !this.#watchers.has(id)) this.#forget(id);
    }
    return false;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#watchers.failAll(closed());
  }

  #next(id: string, after: number): Batch | undefined {
    this.#check();
    const room = this.#rooms.get(id);
    if (room === undefined) throw noRoom(id);
    const batch = room.batches.find(({ last }) => last > after);
    if (batch === undefined && room.head > after) throw goneBehind(after);
    return batch && { ...batch, ...cut(batch, after, Number.POSITIVE_INFINITY) };
  }

  #forget(room: string): boolean {
    if (!this.#rooms.delete(room)) return false;
    this.#watchers.fail(room, noRoom(room));
    return true;
  }

  #check(): void {
    if (this.#closed) throw closed();
  }
}

function stateOf({ head, batches }: Room): RoomState {
  const bytes = batches.reduce((sum, { frames }) => sum + frames.length, 0);
  return { head, first: batches[0]?.first ?? head + 1, bytes };
}

function cut(batch: Batch, after: number, maxBytes: number): Pick<Batch, 'first' | 'last' | 'frames'> {
  const part = cutBatch(batch, after, maxBytes);
  if (part === undefined) throw new LogError('LOG_DAMAGED', 'A batch has other messages than it says.');
  return part;
}

function closed(): LogError {
  return new LogError('LOG_CLOSED', 'The message log is closed.');
}

function noRoom(room: string): LogError {
  return new LogError('LOG_NO_ROOM', `There is no room ${shortId(room)}.`);
}
