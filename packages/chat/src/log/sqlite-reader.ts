import type { DatabaseSync } from 'node:sqlite';
import { joined } from '../bytes.ts';
import { cutBatch } from './batch.ts';
import { databaseOf } from './data-directory.ts';
import { messagesOf } from './frame-run.ts';
import { goneBehind, shortId } from './log-error.ts';
import type { Batch, LastMessage, LogChunk, RoomState, RoomSummary } from './message-log.ts';
import { Batches } from './sqlite-batches.ts';
import {
  bytesOf,
  connect,
  damaged,
  hexOf,
  isBytes,
  memberById,
  noRoom,
  type OnDamage,
  roomById,
  rows,
  sha256,
  type ThreadOptions,
} from './sqlite-database.ts';
import { doing } from './sqlite-errors.ts';
import { isIntact, MEMBER, ROOM, ROOM_COLUMNS, type Room, roomOf, type Value } from './sqlite-rows.ts';

/** Bytes that one step of looking for a member's last message reads at most, or one batch. */
const SEARCH_BYTES = 4 * 1024 * 1024;

/**
 * Reading, by a connection of its own that can do nothing else. Every method throws LogError; LOG_DAMAGED where the
 * writer may be able to mend what it is about. No read transaction outlives a call, so the write-ahead log can be copied
 * back between any two.
 */
export class SqliteReader {
  readonly #db: DatabaseSync;
  readonly #statements: ReturnType<typeof prepare>;
  readonly #batches: Batches;
  readonly #onDamage: OnDamage;

  constructor(options: ThreadOptions, onDamage: OnDamage) {
    const db = doing('opening the database', () => connect(databaseOf(options.directory), options, true));
    this.#db = db;
    this.#statements = doing('opening the database', () => prepare(db));
    this.#batches = new Batches(db);
    this.#onDamage = onDamage;
  }

  /** O(log rooms). */
  roomState(room: string): RoomState | undefined {
    return this.#reading('reading a room', () => {
      const found = this.#room(bytesOf(room));
      return found && { head: found.head, first: found.first, bytes: found.bytes };
    });
  }

  /** O(log members). */
  lastOf(room: string, member: string): LastMessage {
    return this.#reading('reading a member', () => {
      const none = { n: 0, hash: new Uint8Array(32) };
      const id = bytesOf(room);
      if (this.#room(id) === undefined) return none;
      const values = this.#statements.member.get(id, bytesOf(member));
      if (values === undefined) return none;
      if (!isIntact(MEMBER, values)) throw damaged(id, `the last message of ${shortId(member)}`);
      return { n: Number(values[2]), hash: values[3] as Uint8Array };
    });
  }

  /** O(count log rooms + members of these rooms). */
  rooms(after: string, count: number): RoomSummary[] {
    return this.#reading('listing rooms', () => {
      const found = this.#statements.rooms.all(bytesOf(after), count) as unknown as unknown[][];
      return found.map((values) => this.#summary(values));
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
      creator: Buffer.from(creator).toString(),
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
    return this.#reading('looking for empty rooms', () => {
      const found = this.#statements.empty.all(before, after[0], bytesOf(after[1]), count) as unknown as [
        bigint,
        unknown,
      ][];
      return found.flatMap(([createdAt, id]) => (isBytes(id) ? [[Number(createdAt), hexOf(id)]] : []));
    });
  }

  /** O(log batches + bytes). */
  read(room: string, after: number, maxBytes: number): LogChunk | undefined {
    return this.#reading('reading messages', () => {
      const id = bytesOf(room);
      const parts: Uint8Array[] = [];
      let bytes = 0;
      let first = 0;
      let last = 0;
      for (const piece of this.#pieces(id, after, maxBytes)) {
        if (piece.frames === undefined) {
          if (parts.length > 0) break;
          this.#onDamage({ room, first: piece.first, last: piece.last, what: 'messages' });
          return { first: piece.first, last: piece.last, frames: new Uint8Array(0), damaged: true };
        }
        if (parts.length > 0 && bytes + piece.frames.length > maxBytes) break;
        if (parts.length === 0) first = piece.first;
        parts.push(piece.frames);
        bytes += piece.frames.length;
        last = piece.last;
        if (piece.cut || bytes >= maxBytes) break;
      }
      return parts.length === 0 ? undefined : { first, last, frames: inOne(parts, bytes), damaged: false };
    });
  }

  /** The batch behind the place `after`, cut if that is inside of it; `undefined` if the room ends there. */
  next(room: string, after: number): Batch | undefined {
    return this.#reading('reading messages', () => {
      const id = bytesOf(room);
      const found = this.#room(id);
      if (found === undefined) throw noRoom(room);
      for (const { first, last, time, frames } of this.#pieces(id, after, Number.POSITIVE_INFINITY)) {
        if (frames === undefined) {
          this.#onDamage({ room, first, last, what: 'messages' });
          throw damaged(id, `what stands from ${first} to ${last}`);
        }
        return { room, first, last, time, frames, members: membersOf(frames) };
      }
      if (found.head > after) throw goneBehind(after);
      return undefined;
    });
  }

  /**
   * Looks for a member's last message in what is before the place `before`, some megabytes of it.
   * @returns the message; or the place before which to look on; or `undefined` if it cannot be known
   */
  lastBefore(room: string, member: string, before: number): LastMessage | number | undefined {
    return this.#reading('looking for a message', () => {
      const id = bytesOf(room);
      const found = this.#room(id);
      if (found === undefined) return undefined;
      let next = Math.min(before, found.head + 1);
      let bytes = 0;
      for (const batch of this.#batches.backwards(id, next)) {
        if (batch?.last !== next - 1) return undefined;
        const last = membersOf(batch.frames).find((other) => other.member === member)?.last;
        if (last !== undefined) return last;
        next = batch.first;
        bytes += batch.frames.length;
        if (bytes >= SEARCH_BYTES) break;
      }
      if (next > found.first) return bytes >= SEARCH_BYTES ? next : undefined;
      return next === 1 ? { n: 0, hash: new Uint8Array(32) } : undefined;
    });
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  /** In one snapshot: else a room's row and its batches could be of before and after a change. */
  #reading<T>(what: string, work: () => T): T {
    return doing(what, () => {
      this.#statements.begin.run();
      try {
        return work();
      } finally {
        // Not COMMIT, which fails when a page was found damaged.
        if (this.#db.isTransaction) this.#statements.rollback.run();
      }
    });
  }

  /** What is stored behind the place `after`, cut where that is inside of a batch, and where the first is longer than `maxBytes`. */
  *#pieces(id: Uint8Array, after: number, maxBytes: number): Generator<ReadPiece> {
    const room = this.#room(id);
    if (room === undefined) return;
    let most = maxBytes;
    for (const piece of this.#batches.pieces(id, room, after)) {
      const part = piece.damaged ? undefined : cutBatch(piece.batch, after, most);
      if (piece.damaged) {
        yield { first: piece.first, last: piece.last, time: 0, frames: undefined, cut: false };
      } else if (part === undefined) {
        const { first, last } = piece.batch;
        yield { first: Math.max(first, after + 1), last, time: 0, frames: undefined, cut: false };
      } else {
        yield { ...part, time: piece.batch.time, cut: part.last < piece.batch.last };
      }
      most = Number.POSITIVE_INFINITY;
    }
  }

  #room(id: Uint8Array): Room | undefined {
    const values = this.#statements.room.get(id);
    // One that has messages was there: its row is lost.
    if (values === undefined ? this.#statements.any.get(id) !== undefined : !isIntact(ROOM, values)) {
      throw damaged(id, 'the row of the room');
    }
    const room = values && roomOf(values as Value[]);
    return room?.deleted ? undefined : room;
  }
}

/** Consecutive places that were read; without frames if they are damaged. */
interface ReadPiece {
  readonly first: number;
  readonly last: number;
  readonly time: number;
  readonly frames: Uint8Array | undefined;
  /** More of the same batch is left. */
  readonly cut: boolean;
}

function prepare(db: DatabaseSync) {
  return {
    begin: db.prepare('BEGIN'),
    rollback: db.prepare('ROLLBACK'),
    room: roomById(db),
    rooms: rows(db, `SELECT ${ROOM_COLUMNS} FROM room WHERE id > ? AND deleted = 0 ORDER BY id LIMIT ?`),
    empty: rows(
      db,
      'SELECT created_at, id FROM room WHERE head = 0 AND created_at < ? AND (created_at, id) > (?, ?) ORDER BY created_at, id LIMIT ?',
    ),
    member: memberById(db),
    any: rows(db, 'SELECT 1 FROM batch WHERE room = ? LIMIT 1'),
    members: rows(db, 'SELECT count(*) FROM member WHERE room = ?'),
  };
}

/** The last message of each member of a run. O(its bytes). */
function membersOf(frames: Uint8Array): Batch['members'] {
  const last = new Map<string, { n: number; envelope: Uint8Array }>();
  for (const { member, n, envelope } of messagesOf(frames)) last.set(hexOf(member), { n, envelope });
  return [...last].map(([member, { n, envelope }]) => ({ member, last: { n, hash: sha256(envelope) } }));
}

/** The parts in memory of their own, so that it can be handed to another thread: copied unless it is one part that has all of its memory. */
function inOne(parts: readonly Uint8Array[], length: number): Uint8Array {
  const [only] = parts;
  if (parts.length === 1 && only?.buffer.byteLength === length) return only;
  return joined(parts);
}
