/**
 * Rows with checksums. The checksum is a CRC-32 (RFC 1952): it finds bits that a disk, a cable or memory turned, all but
 * one time in 2^32, and with certainty up to four of them in a row of a room or a member. It is no protection against
 * anybody who writes into the database on purpose; that is what the members' signatures are for.
 */
import { crc32 } from 'node:zlib';
import { writeU64 } from '../protocol/frames.ts';

/** A field: an integer as SQLite gives it, or as a number where it is known to be a safe one; bytes. */
export type Value = bigint | number | Uint8Array;

/** The columns of a table before `sum`: an integer, or bytes; only the last may have any length. */
export type Shape = readonly ('integer' | number | 'rest')[];

/** id, head, first, bytes, created_at, used_at, deleted, creator */
export const ROOM: Shape = [16, 'integer', 'integer', 'integer', 'integer', 'integer', 'integer', 'rest'];
/** room, id, n, hash */
export const MEMBER: Shape = [16, 32, 'integer', 32];

/** What a row's `sum` must be; `undefined` if its fields are not of their types and lengths. */
function sumOf(shape: Shape, values: readonly unknown[]): number | undefined {
  const bytes = bytesOf(shape, values);
  return bytes && crc32(bytes);
}

/** Whether a row is as it was written. @param values its columns, `sum` last */
export function isIntact(shape: Shape, values: readonly unknown[]): values is Value[] {
  const sum = sumOf(shape, values);
  const written = values[shape.length];
  return sum !== undefined && (sum === written || BigInt(sum) === written);
}

/**
 * A row in which at most one bit was turned, as it was; `undefined` if it takes more than that to explain it. Rows of
 * rooms and members are so short that no two that are right are less than five bits apart (the Hamming distance of
 * this CRC up to 371 bytes), so that two or three bits that were turned are not taken for one. O(bits^2), under a
 * millisecond or two.
 */
export function corrected(shape: Shape, values: readonly unknown[]): Value[] | undefined {
  const bytes = bytesOf(shape, values);
  const written = values[shape.length];
  if (bytes === undefined || typeof written !== 'bigint') return undefined;
  const sum = crc32(bytes);
  if (isPowerOfTwo(BigInt.asUintN(64, written ^ BigInt(sum)))) return fieldsOf(shape, bytes, sum);
  for (let bit = 0; bit < 8 * bytes.length; bit += 1) {
    const mask = 1 << (bit % 8);
    bytes[bit >> 3]! ^= mask;
    const sum = crc32(bytes);
    if (BigInt(sum) === written) return fieldsOf(shape, bytes, sum);
    bytes[bit >> 3]! ^= mask;
  }
  return undefined;
}

function isPowerOfTwo(value: bigint): boolean {
  return value !== 0n && (value & (value - 1n)) === 0n;
}

/** Longest head of a row that a checksum is made over, besides its frames; in bytes. */
const MAX_ROW_HEAD = 1024;
const scratch = new Uint8Array(MAX_ROW_HEAD);
const scratchView = new DataView(scratch.buffer);

/** The fields one behind the other, in memory that is used again the next time. */
function bytesOf(shape: Shape, values: readonly unknown[]): Uint8Array | undefined {
  let at = 0;
  for (let index = 0; index < shape.length; index += 1) {
    const value = values[index];
    const column = shape[index]!;
    if (column === 'integer') {
      if (typeof value === 'number') writeU64(scratch, at, value);
      else if (typeof value === 'bigint') scratchView.setBigInt64(at, value);
      else return undefined;
      at += 8;
    } else {
      if (!(value instanceof Uint8Array) || value.length > scratch.length - at) return undefined;
      if (column !== 'rest' && value.length !== column) return undefined;
      scratch.set(value, at);
      at += value.length;
    }
  }
  return scratch.subarray(0, at);
}

function fieldsOf(shape: Shape, bytes: Uint8Array, sum: number): Value[] {
  let at = 0;
  const values = shape.map((column) => {
    const start = at;
    at = column === 'rest' ? bytes.length : at + (column === 'integer' ? 8 : column);
    return column === 'integer' ? scratchView.getBigInt64(start) : bytes.slice(start, at);
  });
  return [...values, BigInt(sum)];
}

/** room, first, last, time */
const batchHead = new Uint8Array(16 + 3 * 8);

/** The `sum` of a batch, whose numbers are not negative. O(its bytes), a gigabyte a second or more. */
export function sumOfBatch(
  room: Uint8Array,
  first: number,
  last: number,
  time: number,
  frames: Uint8Array,
): number {
  batchHead.set(room);
  writeU64(batchHead, 16, first);
  writeU64(batchHead, 24, last);
  writeU64(batchHead, 32, time);
  return crc32(frames, crc32(batchHead));
}

/** A batch that is intact. */
export interface StoredBatch {
  readonly first: number;
  readonly last: number;
  readonly time: number;
  readonly frames: Uint8Array;
}

/** In this order `storedBatch` takes them. */
export const BATCH_COLUMNS = 'last, first, time, frames, sum';

/**
 * A row of `batch`; `undefined` if it is damaged. O(its bytes).
 * @param room the room it is found under, which need not be the one that it was written under
 */
export function storedBatch(room: Uint8Array, values: readonly unknown[]): StoredBatch | undefined {
  const [last, first, time] = values.slice(0, 3).map(integerOf);
  const [frames, sum] = values.slice(3);
  if (last === undefined || first === undefined || time === undefined) return undefined;
  if (!(frames instanceof Uint8Array) || typeof sum !== 'bigint') return undefined;
  return BigInt(sumOfBatch(room, first, last, time, frames)) === sum
    ? { first, last, time, frames }
    : undefined;
}

/** An integer of a row that need not be intact; `undefined` if it is none that we write. */
export function integerOf(value: unknown): number | undefined {
  return typeof value === 'bigint' && value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER)
    ? Number(value)
    : undefined;
}

/** A row of `room` that is intact. */
export interface Room {
  readonly id: Uint8Array;
  readonly head: number;
  /** Smallest place that is kept; head + 1 if none is. */
  readonly first: number;
  readonly bytes: number;
  readonly createdAt: number;
  readonly usedAt: number;
  /** It is being deleted: nothing of it is to be seen any more. */
  readonly deleted: boolean;
  /** UTF-8. */
  readonly creator: Uint8Array;
}

export const ROOM_COLUMNS =
  'id, head, first, bytes, created_at, used_at, deleted, CAST(creator AS BLOB), sum';

export const MEMBER_COLUMNS = 'room, id, n, hash, sum';

/** The columns of `room`, `sum` last, as they are written. */
export function roomValues(room: Room): Value[] {
  const { head, first, bytes, createdAt, usedAt } = room;
  const deleted = room.deleted ? 1 : 0;
  return sealed(ROOM, [room.id, head, first, bytes, createdAt, usedAt, deleted, room.creator]);
}

/** @param values columns that are intact */
export function roomOf(values: readonly Value[]): Room {
  const [id, head, first, bytes, createdAt, usedAt, deleted, creator] = values;
  return {
    id: id as Uint8Array,
    head: Number(head),
    first: Number(first),
    bytes: Number(bytes),
    createdAt: Number(createdAt),
    usedAt: Number(usedAt),
    deleted: Number(deleted) !== 0,
    creator: creator as Uint8Array,
  };
}

/** The columns of `member`, `sum` last, as they are written. */
export function memberValues(room: Uint8Array, id: Uint8Array, n: number, hash: Uint8Array): Value[] {
  return sealed(MEMBER, [room, id, n, hash]);
}

function sealed(shape: Shape, values: Value[]): Value[] {
  const sum = sumOf(shape, values);
  if (sum === undefined) throw new RangeError('a field of a row does not have its length');
  values.push(sum);
  return values;
}
