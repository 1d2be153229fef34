/** What the reading and the writing thread have in common: one connection each, and how rows come out of it. */
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { LogError } from './log-error.ts';
import { isIntact, ROOM, ROOM_COLUMNS, type Room, roomOf } from './sqlite-rows.ts';

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
  /** How long another program may hold the database locked before what is asked for fails with LOG_BUSY. */
  readonly busyTimeoutMs?: number;
}

const BUSY_TIMEOUT_MS = 5000;

export function connect(path: string, options: SqliteLogOptions, readOnly: boolean): DatabaseSync {
  return new DatabaseSync(path, { timeout: options.busyTimeoutMs ?? BUSY_TIMEOUT_MS, readOnly });
}

/** A statement whose rows are arrays, with BigInt for every integer: a damaged one may have all 64 bits. */
export function rows(db: DatabaseSync, sql: string): StatementSync {
  const statement = db.prepare(sql);
  statement.setReturnArrays(true);
  statement.setReadBigInts(true);
  return statement;
}

export function selectRoom(db: DatabaseSync): StatementSync {
  return rows(db, `SELECT ${ROOM_COLUMNS} FROM room WHERE id = ?`);
}

/**
 * The row of a room, `undefined` if there is none.
 * @throws {LogError} LOG_DAMAGED
 */
export function readRoom(select: StatementSync, id: Uint8Array): Room | undefined {
  const values = select.get(id) as unknown as unknown[] | undefined;
  if (values === undefined) return undefined;
  if (!isIntact(ROOM, values)) throw damaged(id, 'its row');
  return roomOf(values);
}

export function damaged(room: Uint8Array, what: string): LogError {
  return new LogError('LOG_DAMAGED', `Of the room ${hexOf(room)}, ${what} is damaged in the database.`);
}

export function noRoom(room: string): LogError {
  return new LogError('LOG_NO_ROOM', `There is no room ${room}.`);
}

export function bytesOf(hex: string): Uint8Array {
  return Buffer.from(hex, 'hex');
}

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}
