/** What the reading and the writing thread have in common: one connection each, and how rows come out of it. */
import { createHash } from 'node:crypto';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { LogError, shortId } from './log-error.ts';
import { MEMBER_COLUMNS, ROOM_COLUMNS } from './sqlite-rows.ts';

/** Something that is stored is not what was written. */
export interface Damage {
  /** Empty if it is not known which one, or all. */
  readonly room: string;
  /** The places of the messages; 0 if it is something else. */
  readonly first: number;
  readonly last: number;
  /** What it is, and whether it was mended. */
  readonly what: string;
}

export type OnDamage = (damage: Damage) => void;

/** What can be handed to a thread. */
export type ThreadOptions = Omit<SqliteLogOptions, 'onDamage'>;

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
  /** Told once of each place that is found damaged. */
  readonly onDamage?: OnDamage;
  /** How long another program may hold the database locked before what is asked for fails with LOG_BUSY. */
  readonly busyTimeoutMs?: number;
}

/** How long a statement waits for somebody else's lock, as an administrator's, before it is LOG_BUSY. */
const BUSY_TIMEOUT_MS = 5000;

export function connect(path: string, options: ThreadOptions, readOnly: boolean): DatabaseSync {
  return new DatabaseSync(path, { timeout: busyTimeout(options), readOnly });
}

export function busyTimeout({ busyTimeoutMs }: ThreadOptions): number {
  return busyTimeoutMs ?? BUSY_TIMEOUT_MS;
}

/** A statement whose rows are arrays, with BigInt for every integer: a damaged one may have all 64 bits. */
export function rows(db: DatabaseSync, sql: string): StatementSync {
  const statement = db.prepare(sql);
  statement.setReturnArrays(true);
  statement.setReadBigInts(true);
  return statement;
}

/** A statement for one row. Integers are numbers, which is faster, unless one is too large: that can only be a damaged one. */
export class OneRow {
  readonly #numbers: StatementSync;
  readonly #integers: StatementSync;

  constructor(db: DatabaseSync, sql: string) {
    this.#numbers = db.prepare(sql);
    this.#numbers.setReturnArrays(true);
    this.#integers = rows(db, sql);
  }

  get(...key: Uint8Array[]): unknown[] | undefined {
    try {
      return this.#numbers.get(...key) as unknown as unknown[] | undefined;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_OUT_OF_RANGE') throw error;
      return this.getExactly(...key);
    }
  }

  /** With BigInt for every integer. */
  getExactly(...key: Uint8Array[]): unknown[] | undefined {
    return this.#integers.get(...key) as unknown as unknown[] | undefined;
  }
}

/** How much there is in the write-ahead log, in pages. */
export interface WalState {
  readonly pages: number;
  /** Of these, what was not yet copied into the database. */
  readonly left: number;
}

/** What a statement of `PRAGMA wal_checkpoint` tells. */
export function walState(checkpoint: StatementSync): WalState {
  const { log, checkpointed } = checkpoint.get() ?? {};
  const pages = Math.max(0, Number(log));
  return { pages, left: Math.max(0, pages - Number(checkpointed)) };
}

export function roomById(db: DatabaseSync): OneRow {
  return new OneRow(db, `SELECT ${ROOM_COLUMNS} FROM room WHERE id = ?`);
}

export function memberById(db: DatabaseSync): OneRow {
  return new OneRow(db, `SELECT ${MEMBER_COLUMNS} FROM member WHERE room = ? AND id = ?`);
}

export function damaged(room: Uint8Array, what: string): LogError {
  return new LogError(
    'LOG_DAMAGED',
    `Of the room ${shortId(hexOf(room))}, ${what} is damaged in the database.`,
  );
}

export function noRoom(room: string): LogError {
  return new LogError('LOG_NO_ROOM', `There is no room ${shortId(room)}.`);
}

export function bytesOf(hex: string): Uint8Array {
  return Buffer.from(hex, 'hex');
}

/** Whether a column holds bytes: on a damaged page anything may stand, whatever the table's type says. */
export function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array;
}

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}

export function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest());
}
