import { createHash } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { cutBatch } from './batch.ts';
import { databaseOf } from './data-directory.ts';
import { messagesOf } from './frame-run.ts';
import type { Batch, LastMessage, LogChunk, RoomState, RoomSummary } from './message-log.ts';
import {
  bytesOf,
  connect,
  damaged,
  hexOf,
  noRoom,
  readRoom,
  rows,
  type SqliteLogOptions,
  selectRoom,
} from './sqlite-database.ts';
import { doing } from './sqlite-errors.ts';
import {
  isIntact,
  MEMBER,
  placeOf,
  ROOM,
  ROOM_COLUMNS,
  type Room,
  roomOf,
  sumOfBatch,
} from './sqlite-rows.ts';

/** A batch that is intact. */
type StoredBatch = Omit<Batch, 'room' | 'members'>;

/**
 * Reading, by a connection of its own that can do nothing else. Every method throws LogError. No read
 * transaction outlives a call, so the write-ahead log can be copied back between any two.
 */
export class SqliteReader {
  readonly #db: DatabaseSync;
  readonly #statements: ReturnType<typeof prepare>;

  constructor(options: SqliteLogOptions) {
    this.#db = doing('opening the database', () => connect(databaseOf(options.directory), options, true));
    this.#statements = doing('opening the database', () => prepare(this.#db));
  }

  /** O(log rooms). */
  roomState(room: string): RoomState | undefined {
    return doing('reading a room', () => {
      const found = this.#room(bytesOf(room));
      return found && { head: found.head, first: found.first, bytes: found.bytes };
    });
  }

  /** O(log members). */
  lastOf(room: string, member: string): LastMessage {
    return doing('reading a member', () => {
      const none = { n: 0, hash: new Uint8Array(32) };
      const id = bytesOf(room);
      if (this.#room(id) === undefined) return none;
      const values = this.#statements.member.get(id, bytesOf(member)) as unknown as unknown[] | undefined;
      if (values === undefined) return none;
      if (!isIntact(MEMBER, values)) throw damaged(id, `the last message of ${member}`);
      return { n: Number(values[2]), hash: values[3] as Uint8Array };
    });
  }

  /** O(count log rooms + members of these rooms). */
  rooms(after: string, count: number): RoomSummary[] {
    return doing('listing rooms', () => {
      const found = this.#statements.rooms.all(bytesOf(after), count) as unknown as unknown[][];
      return found
        .filter((values) => !(isIntact(ROOM, values) && roomOf(values).deleted))
        .map((values) => this.#summary(values));
    });
  }

  #summary(values: unknown[]): RoomSummary {
    const id = values[0] as Uint8Array;
    if (!isIntact(ROOM, values)) {
      const nothing = { head: 0, first: 1, bytes: 0, createdAt: 0, usedAt: 0, creator: '', members: 0 };
      return { room: hexOf(id), ...nothing, damaged: true };
    }
    const { head, first, bytes, createdAt, usedAt, creator } = roomOf(values);
    const [members] = this.#statements.members.get(id) as unknown as [bigint];
    return {
      room: hexOf(id),
      head,
      first,
      bytes,
      createdAt,
      usedAt,
      creator,
      members: Number(members),
      damaged: false,
    };
  }

  /** Rooms in which nothing was ever stored, created before `before`, behind the place where the page before ended. */
  emptyRooms(
    before: number,
    after: readonly [createdAt: number, room: string],
    count: number,
  ): [number, string][] {
    return doing('looking for empty rooms', () => {
      const found = this.#statements.empty.all(before, after[0], bytesOf(after[1]), count) as unknown as [
        bigint,
        Uint8Array,
      ][];
      return found.map(([createdAt, id]) => [Number(createdAt), hexOf(id)]);
    });
  }

  /** O(log batches + bytes). */
  read(room: string, after: number, maxBytes: number): LogChunk | undefined {
    return doing('reading messages', () => {
      const id = bytesOf(room);
      const found = this.#room(id);
      if (found === undefined) return undefined;
      const parts: Uint8Array[] = [];
      let bytes = 0;
      let first = 0;
      let last = 0;
      for (const batch of this.#batches(id, found, after)) {
        if (parts.length > 0 && bytes + batch.frames.length > maxBytes) break;
        const part = cutBatch(batch, after, maxBytes);
        if (part === undefined) throw damaged(id, 'a batch');
        if (parts.length === 0) first = part.first;
        parts.push(part.frames);
        bytes += part.frames.length;
        last = part.last;
        if (last < batch.last || bytes >= maxBytes) break;
      }
      return parts.length === 0 ? undefined : { first, last, frames: inOne(parts, bytes), damaged: false };
    });
  }

  /** The batch behind the place `after`, cut if that is inside of it. */
  next(room: string, after: number): Batch | undefined {
    return doing('reading messages', () => {
      const id = bytesOf(room);
      const found = this.#room(id);
      if (found === undefined) throw noRoom(room);
      for (const batch of this.#batches(id, found, after)) {
        const part = cutBatch(batch, after, Number.POSITIVE_INFINITY);
        if (part === undefined) throw damaged(id, 'a batch');
        return { room, time: batch.time, members: membersOf(part.frames), ...part };
      }
      return undefined;
    });
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  *#batches(id: Uint8Array, { head }: Room, after: number): Generator<StoredBatch> {
    if (after >= head) return;
    for (const row of this.#statements.batches.iterate(id, after) as Iterable<unknown>) {
      const [first, last, time] = (row as unknown[]).slice(0, 3).map(placeOf) as [number, number, number];
      const [frames, sum] = (row as unknown[]).slice(3) as [Uint8Array, bigint];
      if (BigInt(sumOfBatch(id, first, last, time, frames)) !== sum)
        throw damaged(id, `the batch ${first} to ${last}`);
      yield { first, last, time, frames };
    }
  }

  #room(id: Uint8Array): Room | undefined {
    const room = readRoom(this.#statements.room, id);
    return room?.deleted ? undefined : room;
  }
}

function prepare(db: DatabaseSync) {
  return {
    room: selectRoom(db),
    rooms: rows(db, `SELECT ${ROOM_COLUMNS} FROM room WHERE id > ? ORDER BY id LIMIT ?`),
    empty: rows(
      db,
      'SELECT created_at, id FROM room WHERE head = 0 AND created_at < ? AND (created_at, id) > (?, ?) ORDER BY created_at, id LIMIT ?',
    ),
    member: rows(db, 'SELECT room, id, n, hash, sum FROM member WHERE room = ? AND id = ?'),
    members: rows(db, 'SELECT count(*) FROM member WHERE room = ?'),
    batches: rows(
      db,
      'SELECT first, last, time, frames, sum FROM batch WHERE room = ? AND last > ? ORDER BY last',
    ),
  };
}

/** The last message of each member of a run. O(its bytes). */
function membersOf(frames: Uint8Array): Batch['members'] {
  const last = new Map<string, { n: number; envelope: Uint8Array }>();
  for (const { member, n, envelope } of messagesOf(frames)) last.set(hexOf(member), { n, envelope });
  return [...last].map(([member, { n, envelope }]) => ({ member, last: { n, hash: sha256(envelope) } }));
}

function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest());
}

/** The parts in memory of their own, so that it can be handed to another thread: copied unless it is one part that has all of its memory. */
function inOne(parts: readonly Uint8Array[], length: number): Uint8Array {
  const [only] = parts;
  if (parts.length === 1 && only?.buffer.byteLength === length) return only;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
