import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { Batches } from './sqlite-batches.ts';
import {
  bytesOf,
  damaged,
  hexOf,
  memberById,
  type OnDamage,
  type OneRow,
  roomById,
  rows,
} from './sqlite-database.ts';
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
} from './sqlite-rows.ts';

/** A row that is not as it was written. */
export interface WrongRow {
  readonly table: 'room' | 'member';
  readonly values: readonly unknown[];
}

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
  readonly #room: OneRow;
  readonly #member: OneRow;
  readonly #putRoom: StatementSync;
  readonly #updateRoom: StatementSync;
  readonly #putMember: StatementSync;
  readonly #removeRoom: StatementSync;
  readonly #removeMember: StatementSync;
  readonly #insertRoom: StatementSync;
  readonly #insertMember: StatementSync;
  readonly #oldest: StatementSync;
  readonly #size: StatementSync;

  constructor(db: DatabaseSync, onDamage: OnDamage) {
    this.#db = db;
    this.#onDamage = onDamage;
    this.#batches = new Batches(db);
    this.#room = roomById(db);
    this.#member = memberById(db);
    const room = 'INTO room VALUES (?, ?, ?, ?, ?, ?, ?, CAST(? AS TEXT), ?)';
    const member = 'INTO member VALUES (?, ?, ?, ?, ?)';
    this.#putRoom = db.prepare(`INSERT OR REPLACE ${room}`);
    this.#updateRoom = db.prepare(
      'UPDATE room SET head = ?, first = ?, bytes = ?, used_at = ?, sum = ? WHERE id = ?',
    );
    this.#putMember = db.prepare(`INSERT OR REPLACE ${member}`);
    // One that was written anew under the right id meanwhile is the newer.
    this.#insertRoom = db.prepare(`INSERT OR IGNORE ${room}`);
    this.#insertMember = db.prepare(`INSERT OR IGNORE ${member}`);
    this.#removeRoom = db.prepare('DELETE FROM room WHERE id = ?');
    this.#removeMember = db.prepare('DELETE FROM member WHERE room = ? AND id = ?');
    this.#oldest = rows(db, 'SELECT last FROM batch WHERE room = ? ORDER BY last LIMIT 1');
    this.#size = rows(db, 'SELECT sum(length(frames)) FROM batch WHERE room = ?');
  }

  /**
   * The row of a room, mended if need be: O(log rooms), O(batches of the room) if it must be made anew from them.
   * @throws {LogError} LOG_DAMAGED if that cannot be done
   */
  room(id: Uint8Array): Room | undefined {
    const found = this.#room.get(id);
    if (found !== undefined && isIntact(ROOM, found)) return roomOf(found);
    const values = found && this.#room.getExactly(id);
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

  /** The same of one that is there, and has its creator: it does not touch the indices. */
  updateRoom(room: Room): void {
    const [id, head, first, bytes, , usedAt, , , sum] = roomValues(room);
    this.#updateRoom.run(head!, first!, bytes!, usedAt!, sum!, id!);
  }

  /** Mends the row of a member if one bit was turned. @returns whether it is right now */
  member(room: string, member: string): boolean {
    const id = bytesOf(room);
    const values = this.#member.getExactly(id, bytesOf(member));
    if (values === undefined || isIntact(MEMBER, values)) return true;
    const right = corrected(MEMBER, values);
    this.#tell(id, `the row of a member${right === undefined ? '' : '; it was mended'}`);
    if (right === undefined) return false;
    this.#putMember.run(...right);
    return true;
  }

  /**
   * Looks at all rows of rooms and members. O(rooms + members), a microsecond or two each. What cannot be read, because a
   * page is damaged, is left to those who ask for it.
   */
  lookAtAll(): { readonly rooms: number; readonly wrong: readonly WrongRow[] } {
    const wrong: WrongRow[] = [];
    let count = 0;
    const room = (values: unknown[]) => {
      const intact = isIntact(ROOM, values);
      if (!intact && wrong.length < MENDED_AT_ONCE) wrong.push({ table: 'room', values });
      if (!intact || !roomOf(values).deleted) count += 1;
    };
    const member = (values: unknown[]) => {
      if (isIntact(MEMBER, values) || wrong.length >= MENDED_AT_ONCE) return;
      wrong.push({ table: 'member', values });
    };
    this.#each(`SELECT ${ROOM_COLUMNS} FROM room`, room);
    this.#each(`SELECT ${MEMBER_COLUMNS} FROM member`, member);
    return { rooms: count, wrong };
  }

  #each(select: string, work: (values: unknown[]) => void): void {
    try {
      for (const row of rows(this.#db, select).iterate() as Iterable<unknown>) work(row as unknown[]);
    } catch (error) {
      if (resultCode(error) !== SQLITE_CORRUPT) throw error;
      this.#onDamage({ room: '', first: 0, last: 0, what: 'a page of the table of rooms or of members' });
    }
  }

  /** Mends rows in which one bit was turned: also one whose id was hit is found again, under its right id. */
  mendRows(wrong: readonly WrongRow[]): void {
    for (const { table, values } of wrong) {
      const right = corrected(table === 'room' ? ROOM : MEMBER, values);
      if (right === undefined) continue;
      if (table === 'room') {
        this.#removeRoom.run(values[0] as Uint8Array);
        this.#insertRoom.run(...right);
      } else {
        this.#removeMember.run(values[0] as Uint8Array, values[1] as Uint8Array);
        this.#insertMember.run(...right);
      }
      this.#tell(right[0] as Uint8Array, `the row of a ${table}; it was mended`);
    }
  }

  /**
   * A room as its batches show it; `undefined` if the newest is damaged too: then nobody knows where it ends. (If also batches
   * at its begin or end are lost without a trace, it is the shorter for them.)
   */
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
      creator: new Uint8Array(0),
    };
  }

  #tell(room: Uint8Array, what: string): void {
    this.#onDamage({ room: hexOf(room), first: 0, last: 0, what });
  }
}
