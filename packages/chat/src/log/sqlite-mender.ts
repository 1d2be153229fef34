import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { Batches } from './sqlite-batches.ts';
import { bytesOf, damaged, hexOf, memberById, type OnDamage, roomById, rows } from './sqlite-database.ts';
import { resultCode, SQLITE_CORRUPT } from './sqlite-errors.ts';
import {
  corrected,
  isIntact,
  MEMBER,
  MEMBER_COLUMNS,
  ROOM,
  ROOM_COLUMNS,
  type Room,
  roomOf,
  roomValues,
  type Shape,
  type Value,
} from './sqlite-rows.ts';

/** Damaged rows that are mended when the log is opened; the others are when somebody asks for them. */
const MENDED_AT_ONCE = 1000;

/**
 * Mends rooms and members, whose rows are indices of the batches: one turned bit is turned back, anything worse is
 * looked up in the batches. Only the writing connection does, in a transaction of its caller's.
 */
export class Mender {
  readonly #db: DatabaseSync;
  readonly #batches: Batches;
  readonly #onDamage: OnDamage;
  readonly #room: StatementSync;
  readonly #member: StatementSync;
  readonly #putRoom: StatementSync;
  readonly #putMember: StatementSync;
  readonly #oldest: StatementSync;
  readonly #size: StatementSync;

  constructor(db: DatabaseSync, onDamage: OnDamage) {
    this.#db = db;
    this.#onDamage = onDamage;
    this.#batches = new Batches(db);
    this.#room = roomById(db);
    this.#member = memberById(db);
    this.#putRoom = db.prepare(
      'INSERT OR REPLACE INTO room VALUES (?, ?, ?, ?, ?, ?, ?, CAST(? AS TEXT), ?)',
    );
    this.#putMember = db.prepare('INSERT OR REPLACE INTO member VALUES (?, ?, ?, ?, ?)');
    this.#oldest = rows(db, 'SELECT last FROM batch WHERE room = ? ORDER BY last LIMIT 1');
    this.#size = rows(db, 'SELECT sum(length(frames)) FROM batch WHERE room = ?');
  }

  /**
   * The row of a room, mended if need be: O(log rooms), O(batches of the room) if it must be made anew from them.
   * @throws {LogError} LOG_DAMAGED if that cannot be done
   */
  room(id: Uint8Array): Room | undefined {
    const values = this.#room.get(id) as unknown as unknown[] | undefined;
    if (values !== undefined && isIntact(ROOM, values)) return roomOf(values);
    if (values === undefined && this.#oldest.get(id) === undefined) return undefined;
    const right = values && corrected(ROOM, values);
    // Of another id: that one's row is this one, and under this id there never was one.
    const own = right !== undefined && Buffer.compare(right[0] as Uint8Array, id) === 0;
    const room = own ? roomOf(right) : this.#fromBatches(id);
    this.#tell(id, room === undefined ? 'the row of the room' : 'the row of the room; it was mended');
    if (room === undefined) throw damaged(id, 'the row of the room');
    this.putRoom(room);
    return room;
  }

  putRoom(room: Room): void {
    this.#putRoom.run(...roomValues(room));
  }

  /** Mends the row of a member if one bit was turned. @returns whether it is right now */
  member(room: string, member: string): boolean {
    const id = bytesOf(room);
    const values = this.#member.get(id, bytesOf(member)) as unknown as unknown[] | undefined;
    if (values === undefined || isIntact(MEMBER, values)) return true;
    const right = corrected(MEMBER, values);
    this.#tell(id, `the row of a member${right === undefined ? '' : '; it was mended'}`);
    if (right === undefined) return false;
    this.#putMember.run(...right);
    return true;
  }

  /**
   * Looks at all rows, and mends those in which one bit was turned, so that also one whose id was hit is found again under
   * that id. O(rooms + members), some microseconds each. @returns how many rooms are not deleted
   */
  all(): number {
    let count = 0;
    const rooms = `SELECT ${ROOM_COLUMNS} FROM room`;
    this.#mendTable(
      rooms,
      ROOM,
      [0],
      this.#room,
      (right) => this.putRoom(roomOf(right)),
      (values) => {
        if (!isIntact(ROOM, values) || !roomOf(values).deleted) count += 1;
      },
    );
    const members = `SELECT ${MEMBER_COLUMNS} FROM member`;
    this.#mendTable(members, MEMBER, [0, 1], this.#member, (right) => this.#putMember.run(...right));
    return count;
  }

  #mendTable(
    select: string,
    shape: Shape,
    key: readonly number[],
    byKey: StatementSync,
    put: (right: Value[]) => void,
    each: (values: unknown[]) => void = () => undefined,
  ): void {
    const wrong: unknown[][] = [];
    try {
      for (const row of rows(this.#db, select).iterate() as Iterable<unknown>) {
        const values = row as unknown[];
        each(values);
        if (!isIntact(shape, values) && wrong.length < MENDED_AT_ONCE) wrong.push(values);
      }
      const table = shape === ROOM ? 'room' : 'member';
      const remove = this.#db.prepare(
        `DELETE FROM ${table} WHERE ${shape === ROOM ? 'id = ?' : 'room = ? AND id = ?'}`,
      );
      for (const values of wrong) {
        const right = corrected(shape, values);
        if (right === undefined) continue;
        remove.run(...(key.map((index) => values[index]) as Uint8Array[]));
        const already = byKey.get(...(key.map((index) => right[index]) as Uint8Array[])) as unknown;
        // If it was written anew meanwhile, under its right id, that is the newer.
        if (already === undefined || !isIntact(shape, already as unknown[])) put(right);
        this.#tell(right[0] as Uint8Array, `the row of a ${table}; it was mended`);
      }
    } catch (error) {
      if (resultCode(error) !== SQLITE_CORRUPT) throw error;
      this.#onDamage({ room: '', first: 0, last: 0, what: 'a page of the table of rooms or of members' });
    }
  }

  /** A room as its batches show it; `undefined` if the newest is damaged too: then nobody knows where it ends. */
  #fromBatches(id: Uint8Array): Room | undefined {
    const [newest] = this.#batches.backwards(id, Number.MAX_SAFE_INTEGER);
    if (newest === undefined) return undefined;
    const [lowest] = this.#oldest.get(id) as unknown as [bigint];
    const oldest = this.#batches.at(id, Number(lowest)) ?? newest;
    const [bytes] = this.#size.get(id) as unknown as [bigint];
    return {
      id,
      head: newest.last,
      first: oldest.first,
      bytes: Number(bytes),
      createdAt: oldest.time,
      usedAt: newest.time,
      deleted: false,
      creator: '',
    };
  }

  #tell(room: Uint8Array, what: string): void {
    this.#onDamage({ room: hexOf(room), first: 0, last: 0, what });
  }
}
