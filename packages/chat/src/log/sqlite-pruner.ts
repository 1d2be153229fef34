import type { DatabaseSync } from 'node:sqlite';
import { Batches } from './sqlite-batches.ts';
import { bytesOf, hexOf, isBytes, rows } from './sqlite-database.ts';
import type { Mender } from './sqlite-mender.ts';

/** Rows, and bytes of frames, that one step of deleting takes at most, so that it never holds up an append for long. */
const STEP_ROWS = 500;
const STEP_BYTES = 8 * 1024 * 1024;
/** Batches that one step of pruning looks at to find old ones: each may have to be read. */
const STEP_SEEN = 50;
/** Also a place that a turned bit has made one beyond all that are. */
const ANY_PLACE = 2n ** 63n - 1n;
/** Before the first in the order of time. */
const FROM_THE_OLDEST = -1n;

type BatchInTime = [room: Uint8Array, last: bigint, time: bigint, rowid: bigint];

/**
 * Deletes old messages, and rooms, in steps that are bounded; each in a transaction of its caller's. Of each room it deletes
 * everything up to its newest batch that is too old, so that there never is a hole, and a clock that was ahead for a while
 * holds up nothing. That batch must be intact: a turned bit in a time must not delete what is new.
 */
export class Pruner {
  readonly #batches: Batches;
  readonly #mender: Mender;
  readonly #onRemoved: (bytes: number) => void;
  readonly #statements: ReturnType<typeof prepare>;
  /** Where in the order of time the next step goes on. */
  #place = FROM_THE_OLDEST;
  /** The room that is being worked at. */
  #room: string | undefined;
  /** Rooms whose batches cannot be deleted, because a page is damaged; tried again when the log is opened. */
  readonly #givenUp = new Set<string>();

  /** @param onRemoved told how many bytes of frames were deleted */
  constructor(db: DatabaseSync, mender: Mender, onRemoved: (bytes: number) => void) {
    this.#batches = new Batches(db);
    this.#mender = mender;
    this.#onRemoved = onRemoved;
    this.#statements = prepare(db);
  }

  /** O(what is deleted + log batches). @returns whether there may be more */
  step(before: number): boolean {
    this.#room = undefined;
    const seen = this.#statements.inTime.all(this.#place, STEP_SEEN) as unknown as BatchInTime[];
    const rooms = new Map<string, number[]>();
    let newer = false;
    const nextSecond = BigInt(Math.ceil(before / 1000) * 1000);
    for (const [id, last, time] of seen) {
      if (!isBytes(id) || typeof last !== 'bigint' || typeof time !== 'bigint') continue;
      const room = hexOf(id);
      if (this.#givenUp.has(room)) continue;
      if (time < BigInt(before)) rooms.set(room, [...(rooms.get(room) ?? []), Number(last)]);
      // Those behind it are newer still, unless it is its time that is damaged; within a second there is no order.
      else if (time >= nextSecond) newer = this.#isIntact(id, last, room);
      if (newer) break;
    }
    let left = STEP_ROWS;
    for (const [room, places] of rooms) {
      this.#room = room;
      const { removed, all } = this.#pruneRoom(room, places, before, left);
      left -= removed;
      if (!all || left <= 0) return true;
    }
    const more = !newer && seen.length === STEP_SEEN;
    this.#place = more ? seen.at(-1)![3] : FROM_THE_OLDEST;
    return more || this.#finishDeletion();
  }

  #isIntact(id: Uint8Array, last: bigint, room: string): boolean {
    this.#room = room;
    return this.#batches.at(id, Number(last)) !== undefined;
  }

  /** @param places last ones of batches that seem to be old */
  #pruneRoom(
    room: string,
    places: number[],
    before: number,
    count: number,
  ): { removed: number; all: boolean } {
    const id = bytesOf(room);
    const until = places
      .sort((a, b) => b - a)
      .find((last) => {
        const batch = this.#batches.at(id, last);
        return batch !== undefined && batch.time < before;
      });
    const found = until === undefined ? undefined : this.#mender.room(id);
    if (until === undefined || found === undefined || found.deleted) return { removed: 0, all: true };
    const { removed, bytes, place } = this.#removeBatches(id, until, count);
    if (removed > 0) {
      this.#mender.updateRoom({ ...found, first: place + 1, bytes: Math.max(0, found.bytes - bytes) });
    }
    return { removed, all: place === until };
  }

  /** Goes on with a deletion that the end of the process has cut off. */
  #finishDeletion(): boolean {
    const rooms = this.#statements.deleted.all() as unknown as [unknown][];
    const ids = rooms.flatMap(([id]) => (isBytes(id) ? [hexOf(id)] : []));
    const room = ids.find((id) => !this.#givenUp.has(id));
    if (room === undefined) return false;
    this.#room = room;
    const id = bytesOf(room);
    // If it was only said to be deleted, by a turned bit, it is mended now.
    if (this.#mender.room(id)?.deleted) this.deletePiece(id);
    return true;
  }

  /**
   * To be called when a step met a damaged page: the others' old messages shall be deleted all the same.
   * @returns whether it is known whose page that is
   */
  giveUp(): boolean {
    if (this.#room === undefined) return false;
    this.#givenUp.add(this.#room);
    return true;
  }

  /** Deletes a piece of a room, and with the last piece the room. O(piece). @returns whether something of it is left */
  deletePiece(id: Uint8Array): boolean {
    if (this.#removeBatches(id, ANY_PLACE, STEP_ROWS).removed > 0) return true;
    if (this.#statements.removeMembers.run(id, STEP_ROWS).changes !== 0) return true;
    this.#statements.removeRoom.run(id);
    return false;
  }

  /** Deletes a room's first batches, up to the place `last`. */
  #removeBatches(
    id: Uint8Array,
    last: number | bigint,
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
    this.#onRemoved(sum.bytes);
    return sum;
  }
}

function prepare(db: DatabaseSync) {
  return {
    inTime: rows(db, 'SELECT room, last, time, rowid FROM batch WHERE rowid > ? ORDER BY rowid LIMIT ?'),
    deleted: rows(db, 'SELECT id FROM room WHERE deleted <> 0 LIMIT 100'),
    oldest: rows(
      db,
      'SELECT rowid, last, length(frames) FROM batch WHERE room = ? AND last <= ? ORDER BY last LIMIT ?',
    ),
    removeBatch: db.prepare('DELETE FROM batch WHERE rowid = ?'),
    removeMembers: db.prepare(
      'DELETE FROM member WHERE room = ?1 AND id IN (SELECT id FROM member WHERE room = ?1 LIMIT ?2)',
    ),
    removeRoom: db.prepare('DELETE FROM room WHERE id = ?'),
  };
}
