import type { DatabaseSync } from 'node:sqlite';
import { databaseOf, lockDirectory } from './data-directory.ts';
import type { LogErrorCode } from './log-error.ts';
import type { Appended, RoomCounts } from './message-log.ts';
import {
  bytesOf,
  connect,
  hexOf,
  noRoom,
  readRoom,
  rows,
  type SqliteLogOptions,
  selectRoom,
} from './sqlite-database.ts';
import { doing, logError } from './sqlite-errors.ts';
import { memberValues, type Room, roomValues, sumOfBatch } from './sqlite-rows.ts';
import { makeTables, versionOf } from './sqlite-schema.ts';

/** Bytes stored after which the write-ahead log is copied into the database; it may grow a little beyond. */
const CHECKPOINT_BYTES = 4 * 1024 * 1024;
/** What a transaction writes besides its messages, roughly: a few pages. */
const TRANSACTION_BYTES = 20 * 1024;
/** Rows, and bytes of frames, that one step of deleting takes at most, so that it never holds up an append for long. */
const STEP_ROWS = 500;
const STEP_BYTES = 8 * 1024 * 1024;

/** A batch as it comes from another thread: its bytes stand in one piece of memory with those of others. */
export interface PackedBatch {
  readonly room: string;
  readonly first: number;
  readonly last: number;
  readonly time: number;
  readonly members: readonly { readonly member: string; readonly n: number }[];
  /** Where the hashes of its members begin, 32 bytes each, and behind them its frames. */
  readonly at: number;
  readonly length: number;
}

/** What became of one append of a transaction. */
export type Outcome =
  | Appended
  | { readonly error: { readonly code: LogErrorCode; readonly message: string } };

/**
 * Writing, by the only connection that does. Every method is one transaction, and throws LogError; it has changed
 * nothing then, and may be tried again.
 */
export class SqliteWriter {
  readonly #lock: DatabaseSync;
  readonly #db: DatabaseSync;
  readonly #statements: ReturnType<typeof prepare>;
  /** Rooms that are not deleted. */
  #rooms: number;
  /** Bytes in the write-ahead log, roughly. */
  #uncopied = 0;

  constructor(options: SqliteLogOptions) {
    const { directory, durability, maxBytes } = options;
    this.#lock = lockDirectory(directory);
    let db: DatabaseSync | undefined;
    try {
      const path = databaseOf(directory);
      db = connect(path, options, false);
      if (versionOf(db, path) === 0) makeTables(db);
      db.exec(
        `PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = ${durability === 'full' ? 'FULL' : 'NORMAL'}`,
      );
      limit(db, maxBytes);
      this.#db = db;
      this.#statements = prepare(db);
      this.#rooms = Number(db.prepare('SELECT count(*) AS count FROM room WHERE deleted = 0').get()?.count);
    } catch (error) {
      db?.close();
      this.#lock.close();
      throw logError(error, `opening the database in ${directory}`);
    }
  }

  /** O(log rooms). @returns whether it is there now; it is not where one of that id has yet to be deleted */
  createRoom(room: string, creator: string, now: number): boolean {
    return this.#transaction('creating a room', () => {
      const id = bytesOf(room);
      const found = this.#room(id);
      if (found !== undefined) return !found.deleted;
      this.#putRoom({
        id,
        head: 0,
        first: 1,
        bytes: 0,
        createdAt: now,
        usedAt: now,
        deleted: false,
        creator,
      });
      this.#rooms += 1;
      return true;
    });
  }

  /** O(rooms of the creator). */
  roomCounts(creator: string): RoomCounts {
    return doing('counting rooms', () => {
      const [ofCreator] = this.#statements.countOf.get(creator) as unknown as [bigint];
      return { all: this.#rooms, ofCreator: Number(ofCreator) };
    });
  }

  /**
   * Stores each batch that begins at its room's head. O(bytes + (batches + members) log rows).
   * @throws {LogError} if none of them could be stored
   */
  append(batches: readonly PackedBatch[], bytes: Uint8Array): Outcome[] {
    const outcomes = this.#transaction('storing messages', () =>
      batches.map((batch) => this.#appendOne(batch, bytes)),
    );
    this.#uncopied += bytes.length;
    return outcomes;
  }

  #appendOne({ room, first, last, time, members, at, length }: PackedBatch, bytes: Uint8Array): Outcome {
    const id = bytesOf(room);
    let found: Room | undefined;
    try {
      found = this.#room(id);
      if (found === undefined || found.deleted) throw noRoom(room);
    } catch (error) {
      const { code, message } = logError(error, 'reading a room');
      return { error: { code, message } };
    }
    if (found.head !== first - 1) return { stored: false, head: found.head };
    const frames = bytes.subarray(at + 32 * members.length, at + length);
    // Whatever stands behind the head can only be damage.
    this.#statements.putBatch.run(id, last, first, time, frames, sumOfBatch(id, first, last, time, frames));
    for (const [index, { member, n }] of members.entries()) {
      const hash = bytes.subarray(at + 32 * index, at + 32 * index + 32);
      this.#statements.putMember.run(...memberValues(id, bytesOf(member), n, hash));
    }
    this.#putRoom({ ...found, head: last, bytes: found.bytes + frames.length, usedAt: time });
    return { stored: true };
  }

  /** Makes a room one that is to be deleted: nobody sees it any more. @returns whether there was one */
  beginDeletion(room: string): boolean {
    return this.#transaction('deleting a room', () => {
      const id = bytesOf(room);
      const found = this.#room(id);
      if (found === undefined || found.deleted) return false;
      this.#putRoom({ ...found, deleted: true });
      this.#rooms -= 1;
      return true;
    });
  }

  /** Deletes a piece of a room that is to be deleted. @returns whether something of it is left */
  deleteStep(room: string): boolean {
    return this.#transaction('deleting a room', () => {
      const id = bytesOf(room);
      if (!this.#room(id)?.deleted) return false;
      const { removed } = this.#removeBatches(id, Number.MAX_SAFE_INTEGER, STEP_ROWS);
      if (removed > 0) return true;
      if (this.#statements.removeMembers.run(id, STEP_ROWS).changes !== 0) return true;
      this.#statements.removeRoom.run(id);
      return false;
    });
  }

  /** Deletes old messages, a bounded number of them. @returns whether there may be more */
  prune(before: number): boolean {
    return this.#transaction('deleting old messages', () => {
      const until = new Map<string, number>();
      for (const row of this.#statements.older.all(before, STEP_ROWS) as unknown as [Uint8Array, bigint][]) {
        const room = hexOf(row[0]);
        until.set(room, Math.max(until.get(room) ?? 0, Number(row[1])));
      }
      let left = STEP_ROWS;
      for (const [room, last] of until) {
        const id = bytesOf(room);
        const found = this.#room(id);
        if (found === undefined) continue;
        const { removed, bytes, place } = this.#removeBatches(id, last, left);
        this.#putRoom({ ...found, first: place + 1, bytes: found.bytes - bytes });
        left -= removed;
        if (left === 0) return true;
      }
      return false;
    });
  }

  /** Deletes those of these rooms that are empty. @returns which these are */
  forget(candidates: readonly string[]): string[] {
    return this.#transaction('forgetting empty rooms', () =>
      candidates.filter((room) => {
        const id = bytesOf(room);
        const found = this.#room(id);
        if (found === undefined || found.deleted || found.head > 0) return false;
        this.#statements.removeRoom.run(id);
        this.#rooms -= 1;
        return true;
      }),
    );
  }

  /**
   * Copies the write-ahead log into the database if it has become long. To be called when nobody waits: it
   * takes much longer than an append. If it fails nothing is lost; the next call tries again.
   */
  tidy(): void {
    if (this.#uncopied < CHECKPOINT_BYTES) return;
    try {
      const { busy } = this.#db.prepare('PRAGMA wal_checkpoint(PASSIVE)').get() ?? {};
      if (busy === 0) this.#uncopied = 0;
    } catch {
      // A full disk, most likely: the next append says so to those who want to store something.
    }
  }

  close(): void {
    for (const db of [this.#db, this.#lock]) if (db.isOpen) db.close();
  }

  /** Deletes a room's first batches, up to the place `last`. */
  #removeBatches(
    id: Uint8Array,
    last: number,
    count: number,
  ): { removed: number; bytes: number; place: number } {
    const sum = { removed: 0, bytes: 0, place: 0 };
    for (const row of this.#statements.oldest.all(id, last, count) as unknown as bigint[][]) {
      const [rowid, place, size] = row as [bigint, bigint, bigint];
      if (sum.removed > 0 && sum.bytes + Number(size) > STEP_BYTES) break;
      this.#statements.removeBatch.run(rowid);
      sum.removed += 1;
      sum.bytes += Number(size);
      sum.place = Number(place);
    }
    this.#uncopied += sum.bytes;
    return sum;
  }

  #room(id: Uint8Array): Room | undefined {
    return readRoom(this.#statements.room, id);
  }

  #putRoom(room: Room): void {
    this.#statements.putRoom.run(...roomValues(room));
  }

  #transaction<T>(what: string, work: () => T): T {
    return doing(what, () => {
      const rooms = this.#rooms;
      this.#db.exec('BEGIN IMMEDIATE');
      try {
        const result = work();
        this.#db.exec('COMMIT');
        this.#uncopied += TRANSACTION_BYTES;
        return result;
      } catch (error) {
        this.#rooms = rooms;
        // SQLite itself rolls back after some errors, a full disk among them.
        if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
        throw error;
      }
    });
  }
}

function limit(db: DatabaseSync, maxBytes: number): void {
  if (maxBytes === 0) return;
  const pageSize = Number(db.prepare('PRAGMA page_size').get()?.page_size);
  db.exec(`PRAGMA max_page_count = ${Math.max(1, Math.floor(maxBytes / pageSize))}`);
}

function prepare(db: DatabaseSync) {
  return {
    room: selectRoom(db),
    putRoom: db.prepare('INSERT OR REPLACE INTO room VALUES (?, ?, ?, ?, ?, ?, ?, CAST(? AS TEXT), ?)'),
    removeRoom: db.prepare('DELETE FROM room WHERE id = ?'),
    countOf: rows(db, 'SELECT count(*) FROM room WHERE creator = ? AND deleted = 0'),
    putMember: db.prepare('INSERT OR REPLACE INTO member VALUES (?, ?, ?, ?, ?)'),
    removeMembers: db.prepare(
      'DELETE FROM member WHERE room = ?1 AND id IN (SELECT id FROM member WHERE room = ?1 LIMIT ?2)',
    ),
    putBatch: db.prepare(
      'INSERT OR REPLACE INTO batch (room, last, first, time, frames, sum) VALUES (?, ?, ?, ?, ?, ?)',
    ),
    older: rows(db, 'SELECT room, last FROM batch WHERE time < ? ORDER BY time LIMIT ?'),
    oldest: rows(
      db,
      'SELECT rowid, last, length(frames) FROM batch WHERE room = ? AND last <= ? ORDER BY last LIMIT ?',
    ),
    removeBatch: db.prepare('DELETE FROM batch WHERE rowid = ?'),
  };
}
