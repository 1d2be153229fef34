/** The tables of the log. */
import type { DatabaseSync } from 'node:sqlite';
import { LogError } from './log-error.ts';

/** "SKYT": tells our database from others' (PRAGMA application_id). */
const APPLICATION_ID = 0x534b5954;
/** Version of the tables below (PRAGMA user_version). */
export const SCHEMA_VERSION = 2;

/**
 * Each `sum` is a checksum over its row (sqlite-rows.ts). Rooms and members are indices of the batches. The rowid of a
 * batch begins with its time (`rowidOf`), so that they stand in the table in the order of time: to find the oldest takes no index,
 * which would cost each transaction a page more.
 *
 * What a message costs besides its bytes: about 60 for its batch and 30 for that in the index, shared by all
 * messages of the batch. A room takes about 120, a member of a room about 110.
 */
export const TABLES = `
  CREATE TABLE room (
    id BLOB PRIMARY KEY, head INTEGER NOT NULL, first INTEGER NOT NULL, bytes INTEGER NOT NULL,
    created_at INTEGER NOT NULL, used_at INTEGER NOT NULL, deleted INTEGER NOT NULL, creator TEXT NOT NULL,
    sum INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE member (
    room BLOB NOT NULL, id BLOB NOT NULL, n INTEGER NOT NULL, hash BLOB NOT NULL, sum INTEGER NOT NULL,
    PRIMARY KEY (room, id)
  ) STRICT, WITHOUT ROWID;
`;
const BATCH = `
  CREATE TABLE batch (
    room BLOB NOT NULL, last INTEGER NOT NULL, first INTEGER NOT NULL, time INTEGER NOT NULL, frames BLOB NOT NULL,
    sum INTEGER NOT NULL DEFAULT -1, PRIMARY KEY (room, last)
  ) STRICT;
`;
export const INDICES = `
  CREATE INDEX room_of ON room (creator);
  CREATE INDEX room_empty ON room (created_at) WHERE head = 0;
  CREATE INDEX room_deleted ON room (id) WHERE deleted <> 0;
`;

/** Bits of a rowid below the time, for batches of one second. */
const ROWID_BITS = 20n;
/** Seconds that fit above them: node:sqlite tells the rowid of each insert, and fails where that is 2^53 or more. */
const LAST_SECOND = 2 ** 33 - 1;

/** The smallest rowid of a batch of that second. (Of the year 2242, or later, all batches have the same time here.) */
export function rowidOf(time: number): bigint {
  return BigInt(Math.min(Math.floor(time / 1000), LAST_SECOND)) << ROWID_BITS;
}

/** Makes the tables in an empty database. */
export function makeTables(db: DatabaseSync): void {
  db.exec(`BEGIN; ${TABLES} ${BATCH} ${INDICES}
    PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT`);
}

/**
 * Version of the tables in a database; 0 if it is empty.
 * @throws {LogError} LOG_CORRUPT, LOG_WRONG_VERSION if it is not for us
 */
export function versionOf(db: DatabaseSync, path: string): number {
  const application = Number(db.prepare('PRAGMA application_id').get()?.application_id);
  const version = Number(db.prepare('PRAGMA user_version').get()?.user_version);
  const empty = db.prepare('SELECT 1 FROM sqlite_schema').get() === undefined;
  if (application === 0 && version === 0 && empty) return 0;
  if (application !== APPLICATION_ID || version < 1) {
    throw new LogError(
      'LOG_CORRUPT',
      `${path} is no database of a skytale server. Choose another data directory.`,
    );
  }
  if (version > SCHEMA_VERSION) {
    throw new LogError(
      'LOG_WRONG_VERSION',
      `${path} has layout ${version}, this program knows ${SCHEMA_VERSION}. Use the newer program that wrote it.`,
    );
  }
  return version;
}
