/**
 * Rows with checksums. The checksum is a CRC-32 (RFC 1952): it finds bits that a disk, a cable or memory turned, with
 * certainty up to four in a row of a room or member (at most 371 bytes), else all but one time in 2^32. It is no
 * protection against anybody who writes into the database on purpose; that is what the members' signatures are for.
 */
import { crc32 } from 'node:zlib';
import { writeU64 } from '../protocol/frames.ts';

/** As SQLite gives it where integers are read as BigInt. */
export type Value = bigint | Uint8Array;

/** The columns of a table before `sum`: an integer, or bytes; only the last may have any length. */
export type Shape = readonly ('integer' | number | 'rest')[];

/** id, head, first, bytes, created_at, used_at, deleted, creator */
export const ROOM: Shape = [16, 'integer', 'integer', 'integer', 'integer', 'integer', 'integer', 'rest'];
/** room, id, n, hash */
export const MEMBER: Shape = [16, 32, 'integer', 32];

/** What a row's `sum` must be; `undefined` if its fields are not of their types and lengths. */
export function sumOf(shape: Shape, values: readonly unknown[]): number | undefined {
  const bytes = bytesOf(shape, values);
  return bytes && crc32(bytes);
}

/** Whether a row is as it was written. @param values its columns, `sum` last */
export function isIntact(shape: Shape, values: readonly unknown[]): values is Value[] {
  const sum = sumOf(shape, values);
  return sum !== undefined && BigInt(sum) === values[shape.length];
}

function bytesOf(shape: Shape, values: readonly unknown[]): Uint8Array | undefined {
  let length = 0;
  for (const [index, column] of shape.entries()) {
    const value = values[index];
    if (column === 'integer') {
      if (typeof value !== 'bigint') return undefined;
      length += 8;
    } else {
      if (!(value instanceof Uint8Array) || (column !== 'rest' && value.length !== column)) return undefined;
      length += value.length;
    }
  }
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const value of values.slice(0, shape.length) as Value[]) {
    if (typeof value === 'bigint') {
      view.setBigInt64(at, value);
      at += 8;
    } else {
      bytes.set(value, at);
      at += value.length;
    }
  }
  return bytes;
}

/** room, first, last, time */
const batchHead = new Uint8Array(16 + 3 * 8);

/** The `sum` of a batch. O(its bytes), at about a gigabyte or more a second. */
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

/** An integer of a row that is not known to be intact; -1 if it is none that we write. */
export function placeOf(value: unknown): number {
  return typeof value === 'bigint' && value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER)
    ? Number(value)
    : -1;
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
  readonly creator: string;
}

export const ROOM_COLUMNS =
  'id, head, first, bytes, created_at, used_at, deleted, CAST(creator AS BLOB), sum';

const utf8 = new TextEncoder();
const text = new TextDecoder();

/** The columns of `room`, `sum` last, as they are written; the creator as bytes. */
export function roomValues(room: Room): Value[] {
  const { head, first, bytes, createdAt, usedAt } = room;
  const integers = [head, first, bytes, createdAt, usedAt, room.deleted ? 1 : 0];
  return sealed(ROOM, [room.id, ...integers.map(BigInt), utf8.encode(room.creator)]);
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
    deleted: deleted !== 0n,
    creator: text.decode(creator as Uint8Array),
  };
}

/** The columns of `member`, `sum` last, as they are written. */
export function memberValues(room: Uint8Array, id: Uint8Array, n: number, hash: Uint8Array): Value[] {
  return sealed(MEMBER, [room, id, BigInt(n), hash]);
}

function sealed(shape: Shape, values: Value[]): Value[] {
  const sum = sumOf(shape, values);
  if (sum === undefined) throw new RangeError('a field of a row does not have its length');
  return [...values, BigInt(sum)];
}
