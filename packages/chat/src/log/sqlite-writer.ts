import type { DatabaseSync } from 'node:sqlite';
import { databaseOf, lockDirectory } from './data-directory.ts';
import { LogError, type LogErrorCode } from './log-error.ts';
import type { Appended, RoomCounts } from './message-log.ts';
import { BatchStore } from './sqlite-batches.ts';
import {
  busyTimeout,
  bytesOf,
  connect,
  noRoom,
  type OnDamage,
  rows,
  type ThreadOptions,
  walState,
} from './sqlite-database.ts';
import { doing, logError } from './sqlite-errors.ts';
import { Mender } from './sqlite-mender.ts';
import { migrate } from './sqlite-migration.ts';
import { Pruner } from './sqlite-pruner.ts';
import { memberValues, type Room } from './sqlite-rows.ts';
import { makeTables, versionOf } from './sqlite-schema.ts';
import { storeWhatFits } from './what-fits.ts';

/** Bytes stored after which the write-ahead log is to be copied into the database. */
const COPY_BYTES = 4 * 1024 * 1024;
/** Length of the write-ahead log at which appends wait until the rest of it is copied, so that it begins anew. */
const RESTART_BYTES = 16 * 1024 * 1024;
/** The same where nobody else has copied it: more than that takes who reads for long, or a disk that does not keep up. */
const UNCOPIED_BYTES = 2 * RESTART_BYTES;
/** What a transaction writes besides its messages, roughly: a few pages. */
const TRANSACTION_BYTES = 20 * 1024;
/** How long beginning it anew waits for those who read; and when it has been in vain, so that it is twice as long. */
const RESTART_WAIT_MS = 20;
const LATE_RESTART_WAIT_MS = 250;
/** What a page takes in the write-ahead log besides itself (https://www.sqlite.org/fileformat2.html#walformat). */
const WAL_FRAME_HEADER_BYTES = 24;
const nobody = new Uint8Array(0);

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
 * nothing then, and may be tried again. LOG_DAMAGED is about the one room that was asked for, which is mended if it can be.
 */
export class SqliteWriter {
  readonly #lock: DatabaseSync;
  readonly #db: DatabaseSync;
  readonly #statements: ReturnType<typeof prepare>;
  readonly #store: BatchStore;
  readonly #mender: Mender;
  readonly #pruner: Pruner;
  readonly #shared: Uint8Array;
  readonly #busyTimeoutMs: number;
  /** Rooms that are not deleted. */
  #rooms = 0;
  readonly #walPageBytes: number;
  /** Bytes written since somebody looked how long the write-ahead log is, roughly. */
  #written = 0;
  /** How long it is when it is tried again to begin it anew. */
  #restartAt = RESTART_BYTES;

  /** @param shared memory in which the bytes of an append may stand */
  constructor(options: ThreadOptions, onDamage: OnDamage, shared: Uint8Array = new Uint8Array(0)) {
    this.#shared = shared;
    const { directory, durability, maxBytes } = options;
    this.#busyTimeoutMs = busyTimeout(options);
    this.#lock = lockDirectory(directory);
    let db: DatabaseSync | undefined;
    try {
      const path = databaseOf(directory);
      db = connect(path, options, false);
      this.#db = db;
      const version = versionOf(db, path);
      if (version === 0) makeTables(db);
      else migrate(db, version);
      db.exec(
        `PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = ${UNCOPIED_BYTES};
         PRAGMA synchronous = ${durability === 'full' ? 'FULL' : 'NORMAL'}`,
      );
      const pageBytes = Number(db.prepare('PRAGMA page_size').get()?.page_size);
      this.#walPageBytes = pageBytes + WAL_FRAME_HEADER_BYTES;
      limit(db, pageBytes, maxBytes);
      this.#statements = prepare(db);
      this.#store = new BatchStore(db);
      this.#mender = new Mender(db, onDamage);
      this.#pruner = new Pruner(db, this.#mender, (bytes) => {
        this.#written += bytes;
      });
      this.#rooms = this.#mendAll();
    } catch (error) {
      db?.close();
      this.#lock.close();
      const { code, message } = logError(error, `opening the database in ${directory}`);
      throw new LogError(code === 'LOG_DAMAGED' ? 'LOG_CORRUPT' : code, message, { cause: error });
    }
  }

  #mendAll(): number {
    const { rooms, wrong } = this.#mender.lookAtAll();
    try {
      if (wrong.length > 0) this.#transaction('mending rows', () => this.#mender.mendRows(wrong));
    } catch (error) {
      if (!ofOneRoom(error)) throw error;
    }
    return rooms;
  }

  /** O(log rooms). @returns whether it is there now; it is not where one of that id has yet to be deleted */
  createRoom(room: string, creator: string, now: number): boolean {
    return this.#transaction('creating a room', () => {
      const id = bytesOf(room);
      const found = this.#mender.room(id);
      if (found !== undefined) return !found.deleted;
      this.#mender.putRoom({
        id,
        head: 0,
        first: 1,
        bytes: 0,
        createdAt: now,
        usedAt: now,
        deleted: false,
        creator: Buffer.from(creator),
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
   * Stores each batch that begins at its room's head, and for which there is room. O(bytes + (batches + members) log rows).
   * @param bytes where theirs stand: in the shared memory unless told
   * @throws {LogError} if none of them could be stored
   */
  append(batches: readonly PackedBatch[], bytes: Uint8Array = this.#shared): Outcome[] {
    return storeWhatFits(batches, {
      sizeOf: ({ length }) => length,
      store: (some) => {
        this.#written += some.reduce((sum, { length }) => sum + length, 0);
        return this.#forEach('storing messages', some, (batch) => this.#appendOne(batch, bytes), refusal);
      },
      isFull: (error) => logError(error, 'storing messages').code === 'LOG_FULL',
      refusal,
    });
  }

  #appendOne({ room, first, last, time, members, at, length }: PackedBatch, bytes: Uint8Array): Outcome {
    const id = bytesOf(room);
    let found: Room | undefined;
    try {
      found = this.#mender.room(id);
      if (found === undefined || found.deleted) throw noRoom(room);
    } catch (error) {
      if (error instanceof LogError) return refusal(error);
      throw error;
    }
    if (found.head !== first - 1) return { stored: false, head: found.head };
    const frames = bytes.subarray(at + 32 * members.length, at + length);
    this.#store.put(id, { first, last, time, frames });
    for (const [index, { member, n }] of members.entries()) {
      const hash = bytes.subarray(at + 32 * index, at + 32 * index + 32);
      this.#statements.putMember.run(...memberValues(id, bytesOf(member), n, hash));
    }
    this.#mender.updateRoom({ ...found, head: last, bytes: found.bytes + frames.length, usedAt: time });
    return { stored: true };
  }

  /** Mends the row of a room. */
  mendRoom(room: string): void {
    this.#transaction('mending a room', () => this.#mender.room(bytesOf(room)));
  }

  /** Mends the row of a member. @returns whether it is right now; if not, it can only be found among the messages */
  mendMember(room: string, member: string): boolean {
    return this.#transaction('mending a member', () => this.#mender.member(room, member));
  }

  /** Writes the row of a member anew, unless an append has in the meantime. */
  putMember(room: string, member: string, n: number, hash: Uint8Array): void {
    this.#transaction('mending a member', () => {
      if (this.#mender.member(room, member)) return;
      this.#statements.putMember.run(...memberValues(bytesOf(room), bytesOf(member), n, hash));
    });
  }

  /** Makes a room, damaged or not, one that is to be deleted: nobody sees it any more. @returns whether there was one */
  beginDeletion(room: string): boolean {
    return this.#transaction('deleting a room', () => {
      const id = bytesOf(room);
      let found: Room | undefined;
      try {
        found = this.#mender.room(id);
      } catch (error) {
        if (!(error instanceof LogError)) throw error;
        found = { id, head: 0, first: 1, bytes: 0, createdAt: 0, usedAt: 0, deleted: false, creator: nobody };
      }
      if (found === undefined || found.deleted) return false;
      this.#mender.putRoom({ ...found, deleted: true });
      this.#rooms -= 1;
      return true;
    });
  }

  /** Deletes a piece of a room that is to be deleted. O(piece). @returns whether something of it is left */
  deleteStep(room: string): boolean {
    return this.#transaction('deleting a room', () => {
      const id = bytesOf(room);
      return this.#mender.room(id)?.deleted === true && this.#pruner.deletePiece(id);
    });
  }

  /** One step of deleting what is older than `before`. @returns whether there may be more */
  prune(before: number): boolean {
    try {
      return this.#transaction('deleting old messages', () => this.#pruner.step(before));
    } catch (error) {
      if (!ofOneRoom(error) || !this.#pruner.giveUp()) throw error;
      return true;
    }
  }

  /** Deletes those of these rooms in which nothing was ever stored, created before `before`. @returns which these are */
  forget(candidates: readonly string[], before: number): string[] {
    const forget = (room: string) => {
      const id = bytesOf(room);
      const found = this.#mender.room(id);
      if (found === undefined || found.deleted || found.head > 0 || found.createdAt >= before) return false;
      this.#statements.removeRoom.run(id);
      this.#rooms -= 1;
      return true;
    };
    const done = this.#forEach('forgetting empty rooms', candidates, forget, () => false);
    return candidates.filter((_, index) => done[index]);
  }

  /**
   * Looks, once so much was written, how long the write-ahead log has become. To be called when nobody waits.
   * @returns whether it is to be copied into the database, which is not done here: it takes much longer than an append
   */
  isLong(): boolean {
    if (this.#written < COPY_BYTES) return false;
    this.#written = 0;
    let bytes: number;
    try {
      bytes = this.#walBytes();
    } catch {
      // Nobody asked for anything: who next does is told what is wrong with the disk.
      return true;
    }
    if (bytes < RESTART_BYTES) this.#restartAt = RESTART_BYTES;
    if (bytes >= UNCOPIED_BYTES) this.#restart(bytes);
    return true;
  }

  /**
   * Begins the write-ahead log anew if it is long, when the most of it was copied: while there always is something new in
   * it, that takes somebody who appends nothing meanwhile. Who reads for long (a backup) may stop it: it is tried again when as
   * much again has been written, and so is it when the disk is full.
   */
  restart(): void {
    const bytes = this.#walBytes();
    if (bytes >= RESTART_BYTES) this.#restart(bytes);
  }

  #restart(bytes: number): void {
    if (bytes < this.#restartAt) return;
    this.#restartAt = bytes + COPY_BYTES;
    try {
      // Our own reader is done in less than that, unless the machine is busy.
      const wait = bytes >= UNCOPIED_BYTES ? LATE_RESTART_WAIT_MS : RESTART_WAIT_MS;
      this.#db.exec(`PRAGMA busy_timeout = ${wait}`);
      if (this.#statements.restart.get()?.busy === 0) this.#restartAt = RESTART_BYTES;
    } catch {
      // A full disk, most likely: the next append says so to those who want to store something.
    } finally {
      this.#db.exec(`PRAGMA busy_timeout = ${this.#busyTimeoutMs}`);
    }
  }

  /** Bytes in the write-ahead log since it last began anew. The file may be longer. */
  #walBytes(): number {
    return (
      doing('looking at the write-ahead log', () => walState(this.#statements.look).pages) *
      this.#walPageBytes
    );
  }

  close(): void {
    for (const db of [this.#db, this.#lock]) if (db.isOpen) db.close();
  }

  /**
   * Does `work` for each in one transaction. If one of them meets damage, each has one of its own, for there is no telling which
   * it was, and SQLite does not end a transaction well in which it found a damaged page.
   */
  #forEach<T, R>(
    what: string,
    items: readonly T[],
    work: (item: T) => R,
    onError: (error: unknown) => R,
  ): R[] {
    try {
      return this.#transaction(what, () => items.map(work));
    } catch (error) {
      if (!ofOneRoom(error)) throw error;
      return items.map((item) => {
        try {
          return this.#transaction(what, () => work(item));
        } catch (error) {
          return onError(error);
        }
      });
    }
  }

  #transaction<T>(what: string, work: () => T): T {
    return doing(what, () => {
      const rooms = this.#rooms;
      this.#statements.begin.run();
      try {
        const result = work();
        this.#statements.commit.run();
        this.#written += TRANSACTION_BYTES;
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

/** Whether an error is about the one room that was asked for. */
function ofOneRoom(error: unknown): boolean {
  const { code } = logError(error, 'reading a room');
  return code === 'LOG_DAMAGED' || code === 'LOG_NO_ROOM';
}

function refusal(error: unknown): Outcome {
  const { code, message } = logError(error, 'storing messages');
  return { error: { code, message } };
}

function limit(db: DatabaseSync, pageBytes: number, maxBytes: number): void {
  if (maxBytes === 0) return;
  db.exec(`PRAGMA max_page_count = ${Math.max(1, Math.floor(maxBytes / pageBytes))}`);
}

function prepare(db: DatabaseSync) {
  return {
    begin: db.prepare('BEGIN IMMEDIATE'),
    commit: db.prepare('COMMIT'),
    look: db.prepare('PRAGMA wal_checkpoint(NOOP)'),
    restart: db.prepare('PRAGMA wal_checkpoint(RESTART)'),
    removeRoom: db.prepare('DELETE FROM room WHERE id = ?'),
    countOf: rows(db, 'SELECT count(*) FROM room WHERE creator = ? AND deleted = 0'),
    putMember: db.prepare(
      'INSERT INTO member VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = excluded.n, hash = excluded.hash, sum = excluded.sum',
    ),
  };
}
