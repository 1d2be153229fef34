/** Brings the tables of earlier versions of this program up to date. */
import type { DatabaseSync } from 'node:sqlite';
import { messagesOf } from './frame-run.ts';
import { hexOf, rows, sha256 } from './sqlite-database.ts';
import { integerOf, memberValues, roomValues, sumOfBatch } from './sqlite-rows.ts';
import { INDICES, rowidOf, SCHEMA_VERSION, TABLES } from './sqlite-schema.ts';

/**
 * From version 1, which had no checksums: they are made from what is there now. One transaction, so that it is done as
 * a whole or not at all. It writes every batch again: as much disk as the database has, and time in O(its bytes). Memory:
 * a batch, and the members of one room.
 */
export function migrate(db: DatabaseSync, version: number): void {
  if (version === SCHEMA_VERSION) return;
  db.exec(`BEGIN IMMEDIATE;
    ALTER TABLE room RENAME TO room_1; ALTER TABLE member RENAME TO member_1; ${TABLES}
    ALTER TABLE batch ADD COLUMN sum INTEGER NOT NULL DEFAULT -1`);
  try {
    const [now] = rows(db, 'SELECT unixepoch() * 1000').get() as unknown as [bigint];
    const migration = new FromVersion1(db, Number(now));
    const after = rows(db, 'SELECT id, head, bytes FROM room_1 WHERE id > ? ORDER BY id LIMIT 1');
    for (let id: Uint8Array = new Uint8Array(0); ; ) {
      const room = after.get(id) as unknown as [Uint8Array, bigint, bigint] | undefined;
      if (room === undefined) break;
      migration.room(...room);
      id = room[0];
    }
    db.exec(
      `DROP TABLE room_1; DROP TABLE member_1; ${INDICES} PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT`,
    );
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

class FromVersion1 {
  readonly #now: number;
  /** Counts batches, so that those of one time have other rowids. */
  #rowid = 0n;
  readonly #statements;

  constructor(db: DatabaseSync, now: number) {
    this.#now = now;
    this.#statements = {
      batch: rows(
        db,
        'SELECT rowid, last, first, time, frames FROM batch WHERE room = ? AND last > ? ORDER BY last LIMIT 1',
      ),
      putSum: db.prepare('UPDATE OR IGNORE batch SET sum = ?, rowid = ? WHERE rowid = ?'),
      members: rows(db, 'SELECT id, last_n FROM member_1 WHERE room = ?'),
      putMember: db.prepare('INSERT INTO member VALUES (?, ?, ?, ?, ?)'),
      putRoom: db.prepare('INSERT INTO room VALUES (?, ?, ?, ?, ?, ?, ?, CAST(? AS TEXT), ?)'),
    };
  }

  room(id: Uint8Array, head: bigint, bytes: bigint): void {
    const { batch, putSum, members, putMember, putRoom } = this.#statements;
    /** The last message of each member; its hash stays zero if the message is not kept any more. */
    const lasts = new Map<string, { readonly n: bigint; hash: Uint8Array }>();
    for (const [member, n] of members.all(id) as unknown as [Uint8Array, bigint][]) {
      lasts.set(hexOf(member), { n, hash: new Uint8Array(32) });
    }
    const seen = { first: Number(head) + 1, createdAt: this.#now, usedAt: this.#now, any: false };
    for (let after = 0n; ; ) {
      const row = batch.get(id, after) as unknown as
        | [bigint, bigint, unknown, unknown, Uint8Array]
        | undefined;
      if (row === undefined) break;
      after = row[1];
      const [last, first, time] = row.slice(1, 4).map(integerOf);
      const frames = row[4];
      if (last === undefined || first === undefined || time === undefined || !noteLasts(frames, lasts)) {
        // Damaged already: without a checksum it stays that.
        continue;
      }
      const sum = sumOfBatch(id, first, last, time, frames);
      // The first rowid of its time that is free.
      do this.#rowid += 1n;
      while (putSum.run(sum, rowidOf(time) + BigInt.asUintN(16, this.#rowid), row[0]).changes === 0);
      if (!seen.any) Object.assign(seen, { first, createdAt: time, any: true });
      seen.usedAt = time;
    }
    const { first, createdAt, usedAt } = seen;
    const room = { id, head: Number(head), first, bytes: Number(bytes), createdAt, usedAt };
    putRoom.run(...roomValues({ ...room, deleted: false, creator: new Uint8Array(0) }));
    for (const [member, { n, hash }] of lasts) {
      putMember.run(...memberValues(id, Buffer.from(member, 'hex'), Number(n), hash));
    }
  }
}

/** Notes the hashes of those messages that are their members' last. @returns whether these are messages at all */
function noteLasts(
  frames: Uint8Array,
  lasts: Map<string, { readonly n: bigint; hash: Uint8Array }>,
): boolean {
  try {
    for (const { member, n, envelope } of messagesOf(frames)) {
      const last = lasts.get(hexOf(member));
      if (last !== undefined && last.n === BigInt(n)) last.hash = sha256(envelope);
    }
    return true;
  } catch {
    return false;
  }
}
