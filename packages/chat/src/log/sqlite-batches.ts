import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { rows } from './sqlite-database.ts';
import { resultCode, SQLITE_CONSTRAINT, SQLITE_CORRUPT } from './sqlite-errors.ts';
import {
  BATCH_COLUMNS,
  integerOf,
  type Room,
  type StoredBatch,
  storedBatch,
  sumOfBatch,
} from './sqlite-rows.ts';
import { rowidOf } from './sqlite-schema.ts';

/** Consecutive places of a room: a batch, or what is damaged. */
export type Piece =
  | { readonly damaged: false; readonly batch: StoredBatch }
  | { readonly damaged: true; readonly first: number; readonly last: number };

/** Damaged rows that are stepped over, each read and summed up, to find the next one that is intact. */
const MAX_STEPPED_OVER = 256;

/** Of finding a rowid that is free. */
const MAX_TRIES = 30;

/** The batches of rooms, verified one by one as they are read. */
export class Batches {
  readonly #forwards: StatementSync;
  readonly #backwards: StatementSync;
  readonly #keys: StatementSync;
  readonly #one: StatementSync;

  constructor(db: DatabaseSync) {
    const select = `SELECT ${BATCH_COLUMNS} FROM batch WHERE room = ?`;
    this.#forwards = rows(db, `${select} AND last > ? ORDER BY last`);
    this.#backwards = rows(db, `${select} AND last < ? ORDER BY last DESC`);
    this.#one = rows(db, `${select} AND last = ?`);
    // The index has all that this asks for: it is read though the rows cannot be.
    this.#keys = rows(db, 'SELECT last FROM batch WHERE room = ? AND last > ? ORDER BY last');
  }

  /**
   * Everything from behind the place `after` to the room's head, without a hole and in order: what is missing, or no
   * longer what it was, comes as damage. Its bounds are the room's own and those of intact batches around it, for the
   * damaged row's may be what is damaged; only if many follow each other does the place it is kept under count. O(log
   * batches) to begin, and then O(bytes) as it is read on.
   */
  *pieces(id: Uint8Array, room: Room, after: number): Generator<Piece> {
    let next = Math.max(after + 1, room.first);
    let steppedOver = 0;
    for (const [key, batch] of this.#from(id, next - 1)) {
      if (next > room.head) return;
      if (batch === undefined) {
        steppedOver += 1;
        if (steppedOver < MAX_STEPPED_OVER || key < next) continue;
        const last = Math.min(key, room.head);
        yield { damaged: true, first: next, last };
        next = last + 1;
      } else if (batch.last >= next && batch.last <= room.head) {
        if (batch.first > next) yield { damaged: true, first: next, last: batch.first - 1 };
        yield { damaged: false, batch };
        next = batch.last + 1;
      }
      steppedOver = 0;
    }
    if (next <= room.head) yield { damaged: true, first: next, last: room.head };
  }

  /** The batches before the place `before`, the newest first; `undefined` for one that is damaged. */
  *backwards(id: Uint8Array, before: number): Generator<StoredBatch | undefined> {
    for (const values of this.#backwards.iterate(id, before) as Iterable<unknown>) {
      yield storedBatch(id, values as unknown[]);
    }
  }

  /** The batch that is kept under the place `last`, if it is intact. */
  at(id: Uint8Array, last: number): StoredBatch | undefined {
    const values = this.#one.get(id, last) as unknown as unknown[] | undefined;
    return values && storedBatch(id, values);
  }

  /** The rows behind the place `after`, and under which each is kept. */
  *#from(id: Uint8Array, after: number): Generator<[key: number, batch: StoredBatch | undefined]> {
    let at = after;
    try {
      for (const values of this.#forwards.iterate(id, after) as Iterable<unknown>) {
        at = integerOf((values as unknown[])[0]) ?? at;
        yield [at, storedBatch(id, values as unknown[])];
      }
    } catch (error) {
      if (resultCode(error) !== SQLITE_CORRUPT) throw error;
      yield* this.#oneByOne(id, at);
    }
  }

  /** The same where SQLite finds a page damaged: what is not on it can still be read. */
  *#oneByOne(id: Uint8Array, after: number): Generator<[key: number, batch: StoredBatch | undefined]> {
    try {
      for (const values of this.#keys.iterate(id, after) as Iterable<unknown>) {
        const key = integerOf((values as unknown[])[0]);
        if (key !== undefined) yield [key, this.#try(id, key)];
      }
    } catch (error) {
      // The index itself: what is behind that page cannot be found.
      if (resultCode(error) !== SQLITE_CORRUPT) throw error;
    }
  }

  #try(id: Uint8Array, key: number): StoredBatch | undefined {
    try {
      return this.at(id, key);
    } catch (error) {
      if (resultCode(error) !== SQLITE_CORRUPT) throw error;
      return undefined;
    }
  }
}

/** Stores batches. A place that is taken, or a rowid, is never the reason not to. */
export class BatchStore {
  readonly #insert: StatementSync;
  readonly #remove: StatementSync;
  #lastRowid = 0n;

  constructor(db: DatabaseSync) {
    this.#insert = db.prepare(
      'INSERT INTO batch (rowid, room, last, first, time, frames, sum) VALUES (?, ?, ?, ?, ?, ?, ?)',
    );
    this.#remove = db.prepare('DELETE FROM batch WHERE room = ? AND last = ?');
  }

  /** Stores a batch at its room's head. What stands there already can only be damage: the head is right. */
  put(id: Uint8Array, { first, last, time, frames }: StoredBatch): void {
    const sum = sumOfBatch(id, first, last, time, frames);
    const rowid = rowidOf(time);
    const next = this.#lastRowid + 1n;
    this.#lastRowid = next > rowid && next < rowidOf(time + 1000) ? next : rowid;
    for (let tries = 0; ; tries += 1) {
      try {
        this.#insert.run(this.#lastRowid, id, last, first, time, frames, sum);
        return;
      } catch (error) {
        if (resultCode(error) !== SQLITE_CONSTRAINT || tries > MAX_TRIES) throw error;
        // Another's rowid, of before the log was opened or the clock was set back; or the place.
        if (tries === 0) this.#remove.run(id, last);
        else this.#lastRowid += 1n << BigInt(Math.min(tries, 15));
      }
    }
  }
}
