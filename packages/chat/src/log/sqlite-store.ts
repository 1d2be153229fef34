import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { makePrivateDirectory } from '../private-directory.ts';
import { skipFrames } from './frame-run.ts';
import { LogError } from './log-error.ts';
import type { Batch, LogChunk, RoomState } from './message-log.ts';

/** "SKYT": tells our database from others' (PRAGMA application_id). */
const APPLICATION_ID = 0x534b5954;
/** Version of the tables below (PRAGMA user_version). */
const SCHEMA_VERSION = 1;
const SCHEMA = `
  CREATE TABLE room (
    id BLOB PRIMARY KEY, head INTEGER NOT NULL, bytes INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE member (
    room BLOB NOT NULL, id BLOB NOT NULL, last_n INTEGER NOT NULL, PRIMARY KEY (room, id)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE batch (
    room BLOB NOT NULL, last INTEGER NOT NULL, first INTEGER NOT NULL, time INTEGER NOT NULL, frames BLOB NOT NULL,
    PRIMARY KEY (room, last)
  ) STRICT;
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SCHEMA_VERSION};
`;
/** Bytes stored after which the write-ahead log is copied into the database; it may grow a little beyond. */
const CHECKPOINT_BYTES = 4 * 1024 * 1024;
/** What a transaction writes besides its messages, roughly: a few pages. */
const TRANSACTION_BYTES = 16 * 1024;
/** Batches that one call of prune deletes at most, so that it never holds up an append for long. */
const PRUNE_STEP = 500;

export interface SqliteLogOptions {
  /** The data directory; made, with mode 0700, if it is not there. */
  readonly directory: string;
  /**
   * `full`: what is acknowledged survives a power cut (synchronous=FULL). `normal`: it survives the end of the
   * process, a power cut may take the last moments.
   */
  readonly durability: 'full' | 'normal';
  /** Largest size of the database in bytes; 0: as the disk allows. */
  readonly maxBytes: number;
}

/**
 * The tables of the log, and every SQL statement; synchronous, so it is used in a thread of its own
 * (`sqlite-worker.ts`). Every method throws LogError.
 *
 * The directory holds `chat.db` (with `-wal` and `-shm` beside it while it is open; it may be read by
 * others, for backups) and `lock`, another SQLite file, on which this process holds an exclusive lock that ends
 * with the process however it ends.
 */
export class SqliteStore {
  readonly #lock: DatabaseSync;
  readonly #db: DatabaseSync;
  readonly #statements: ReturnType<typeof prepare>;
  /** Bytes in the write-ahead log, roughly. */
  #uncopied = 0;

  constructor({ directory, durability, maxBytes }: SqliteLogOptions) {
    makeDirectory(directory);
    this.#lock = lockDirectory(directory);
    try {
      this.#db = openDatabase(join(directory, 'chat.db'));
    } catch (error) {
      this.#lock.close();
      throw error;
    }
    try {
      this.#db.exec(
        `PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = ${durability === 'full' ? 'FULL' : 'NORMAL'}`,
      );
      this.#limit(maxBytes);
      this.#statements = prepare(this.#db);
    } catch (error) {
      this.close();
      throw logError(error, `opening the database in ${directory}`);
    }
  }

  createRoom(room: string): void {
    this.#run('creating a room', () => this.#statements.createRoom.run(bytesOf(room)));
  }

  roomState(room: string): RoomState | undefined {
    return this.#run('reading a room', () => {
      const row = this.#statements.room.get(bytesOf(room));
      if (row === undefined) return undefined;
      const head = Number(row.head);
      const oldest = this.#statements.firstKept.get(bytesOf(room));
      return {
        head,
        first: oldest === undefined ? head + 1 : Number(oldest.first),
        bytes: Number(row.bytes),
      };
    });
  }

  roomCount(): number {
    return this.#run('counting rooms', () => Number(this.#statements.roomCount.get()?.count));
  }

  lastN(room: string, member: string): number {
    return this.#run('reading a member', () =>
      Number(this.#statements.member.get(bytesOf(room), bytesOf(member))?.last_n ?? 0),
    );
  }

  append(batches: readonly Batch[]): void {
    this.#transaction('storing messages', () => {
      for (const batch of batches) this.#appendOne(batch);
    });
    this.#uncopied += batches.reduce((sum, { frames }) => sum + frames.length, 0);
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

  #appendOne({ room, first, last, time, frames, members }: Batch): void {
    const id = bytesOf(room);
    const { changes } = this.#statements.advance.run(last, frames.length, id, first - 1);
    if (changes !== 1) {
      throw new LogError('LOG_OUT_OF_ORDER', `A batch that begins at ${first} does not continue its room.`);
    }
    this.#statements.insert.run(id, last, first, time, frames);
    for (const { member, lastN } of members) this.#statements.setMember.run(id, bytesOf(member), lastN);
  }

  read(room: string, after: number, maxBytes: number): LogChunk | undefined {
    return this.#run('reading messages', () => {
      const parts: Uint8Array[] = [];
      let bytes = 0;
      let start = 0;
      let end = after;
      for (const row of this.#statements.read.iterate(bytesOf(room), after)) {
        const stored = row.frames as Uint8Array;
        if (parts.length > 0 && bytes + stored.length > maxBytes) break;
        const first = Number(row.first);
        if (parts.length > 0 && first !== end + 1) {
          throw new LogError('LOG_CORRUPT', `Message ${end + 1} of a room is missing in the database.`);
        }
        if (parts.length === 0) start = Math.max(first, after + 1);
        const part = skipFrames(stored, Math.max(0, after + 1 - first));
        parts.push(part);
        bytes += part.length;
        end = Number(row.last);
        if (bytes >= maxBytes) break;
      }
      if (parts.length === 0) return undefined;
      return { first: start, last: end, frames: concat(parts, bytes) };
    });
  }

  prune(before: number): boolean {
    let deleted = 0;
    this.#transaction('deleting old messages', () => {
      for (const row of this.#statements.oldest.all(PRUNE_STEP)) {
        if ((row.time as number) >= before) break;
        this.#statements.remove.run(row.rowid as number);
        this.#statements.shrink.run(row.size as number, row.room as Uint8Array);
        this.#uncopied += row.size as number;
        deleted += 1;
      }
    });
    return deleted === PRUNE_STEP;
  }

  close(): void {
    for (const db of [this.#db, this.#lock]) if (db.isOpen) db.close();
  }

  #limit(maxBytes: number): void {
    if (maxBytes === 0) return;
    const pageSize = Number(this.#db.prepare('PRAGMA page_size').get()?.page_size);
    this.#db.exec(`PRAGMA max_page_count = ${Math.max(1, Math.floor(maxBytes / pageSize))}`);
  }

  #transaction(doing: string, work: () => void): void {
    this.#run(doing, () => {
      this.#db.exec('BEGIN IMMEDIATE');
      try {
        work();
        this.#db.exec('COMMIT');
        this.#uncopied += TRANSACTION_BYTES;
      } catch (error) {
        // SQLite itself rolls back after some errors, a full disk among them.
        if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
        throw error;
      }
    });
  }

  #run<T>(doing: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw logError(error, doing);
    }
  }
}

function prepare(
  db: DatabaseSync,
): Record<
  | 'createRoom'
  | 'room'
  | 'roomCount'
  | 'firstKept'
  | 'member'
  | 'advance'
  | 'insert'
  | 'setMember'
  | 'read'
  | 'oldest'
  | 'remove'
  | 'shrink',
  StatementSync
> {
  return {
    createRoom: db.prepare('INSERT INTO room VALUES (?, 0, 0) ON CONFLICT DO NOTHING'),
    room: db.prepare('SELECT head, bytes FROM room WHERE id = ?'),
    roomCount: db.prepare('SELECT count(*) AS count FROM room'),
    firstKept: db.prepare('SELECT first FROM batch WHERE room = ? ORDER BY last LIMIT 1'),
    member: db.prepare('SELECT last_n FROM member WHERE room = ? AND id = ?'),
    advance: db.prepare('UPDATE room SET head = ?, bytes = bytes + ? WHERE id = ? AND head = ?'),
    insert: db.prepare('INSERT INTO batch VALUES (?, ?, ?, ?, ?)'),
    setMember: db.prepare(
      'INSERT INTO member VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET last_n = excluded.last_n',
    ),
    read: db.prepare('SELECT first, last, frames FROM batch WHERE room = ? AND last > ? ORDER BY last'),
    // Rows are written in the order of time: the oldest come first.
    oldest: db.prepare('SELECT rowid, room, time, length(frames) AS size FROM batch ORDER BY rowid LIMIT ?'),
    remove: db.prepare('DELETE FROM batch WHERE rowid = ?'),
    shrink: db.prepare('UPDATE room SET bytes = bytes - ? WHERE id = ?'),
  };
}

function makeDirectory(directory: string): void {
  try {
    makePrivateDirectory(directory);
  } catch (cause) {
    throw new LogError(
      'LOG_NOT_ACCESSIBLE',
      `The data directory ${directory} cannot be made (${(cause as NodeJS.ErrnoException).code}). Choose another, or see to its permissions.`,
      { cause },
    );
  }
}

/** Makes the file with mode 0600 before SQLite would with 0644; SQLite gives its other files the same mode. */
function openPrivate(path: string): DatabaseSync {
  try {
    closeSync(openSync(path, 'a', 0o600));
  } catch (cause) {
    throw new LogError(
      'LOG_NOT_ACCESSIBLE',
      `${path} cannot be written (${(cause as NodeJS.ErrnoException).code}). See to its permissions.`,
      { cause },
    );
  }
  return new DatabaseSync(path, { timeout: 0 });
}

function lockDirectory(directory: string): DatabaseSync {
  const lock = openPrivate(join(directory, 'lock'));
  try {
    // In memory, because a journal file would lie about as long as the lock is held.
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock.close();
    if (resultCode(error) === SQLITE_BUSY) {
      throw new LogError(
        'LOG_IN_USE',
        `The data directory ${directory} is in use by another server. Stop it, or choose another directory.`,
        { cause: error },
      );
    }
    throw logError(error, `locking ${directory}`);
  }
}

function openDatabase(path: string): DatabaseSync {
  const db = openPrivate(path);
  try {
    checkSchema(db, path);
    return db;
  } catch (error) {
    db.close();
    throw logError(error, `opening ${path}`);
  }
}

function checkSchema(db: DatabaseSync, path: string): void {
  const application = Number(db.prepare('PRAGMA application_id').get()?.application_id);
  const version = Number(db.prepare('PRAGMA user_version').get()?.user_version);
  const empty = db.prepare('SELECT 1 FROM sqlite_schema').get() === undefined;
  if (application === 0 && version === 0 && empty) {
    db.exec(`BEGIN; ${SCHEMA} COMMIT`);
  } else if (application !== APPLICATION_ID) {
    throw new LogError(
      'LOG_CORRUPT',
      `${path} is no database of a skytale server. Choose another data directory.`,
    );
  } else if (version !== SCHEMA_VERSION) {
    throw new LogError(
      'LOG_WRONG_VERSION',
      `${path} has layout ${version}, this program knows ${SCHEMA_VERSION}. Use the newer program that wrote it.`,
    );
  }
}

// https://www.sqlite.org/rescode.html, the primary codes
const SQLITE_PERM = 3;
const SQLITE_BUSY = 5;
const SQLITE_READONLY = 8;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
const SQLITE_NOTADB = 26;

function resultCode(error: unknown): number | undefined {
  const extended = (error as { errcode?: unknown } | null)?.errcode;
  return typeof extended === 'number' ? extended & 0xff : undefined;
}

function logError(error: unknown, doing: string): LogError {
  if (error instanceof LogError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const make = (code: LogError['code'], advice: string) =>
    new LogError(code, `The message log failed while ${doing}: ${text}. ${advice}`, { cause: error });
  switch (resultCode(error)) {
    case SQLITE_FULL:
      return make('LOG_FULL', 'Make room on the disk, or raise the storage limit.');
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return make('LOG_CORRUPT', 'Restore the database from a backup, or choose another data directory.');
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
      return make('LOG_NOT_ACCESSIBLE', 'See to the permissions of the data directory.');
    default:
      return make('LOG_FAILED', "See the machine's own log.");
  }
}

function bytesOf(hex: string): Uint8Array {
  return Buffer.from(hex, 'hex');
}

/** The parts in memory of their own, so that it can be handed to another thread. */
function concat(parts: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
