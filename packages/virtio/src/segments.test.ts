import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Segments } from './segments.ts';

/** Ranges at random places of a few memories, and the bytes that they cover together. */
const scattered = fc.array(fc.tuple(fc.nat(2), fc.nat(50), fc.nat(14)), { maxLength: 12 }).map((ranges) => {
  const memories = [0, 1, 2].map((m) => Uint8Array.from({ length: 64 }, (_, i) => m * 64 + i));
  const segments = new Segments();
  for (const [memory, offset, length] of ranges) segments.push(memories[memory]!, offset, length);
  const expected = ranges.flatMap(([m, offset, length]) => [
    ...memories[m]!.subarray(offset, offset + length),
  ]);
  return { segments, expected };
});

describe('Segments', () => {
  it('holds the bytes of its ranges in order', () => {
    fc.assert(
      fc.property(scattered, ({ segments, expected }) => {
        assert.equal(segments.byteLength, expected.length);
        assert.deepEqual([...segments.toBytes()], expected);
      }),
    );
  });

  it('merges a range that continues the one before it, and leaves out empty ones', () => {
    const memory = new Uint8Array(32);
    const segments = new Segments();
    segments.push(memory, 4, 4);
    segments.push(memory, 20, 0);
    segments.push(memory, 8, 8);
    segments.push(memory, 24, 8);
    assert.equal(segments.count, 2);
    assert.deepEqual(segments.length.slice(0, 2), [12, 8]);
    assert.equal(segments.byteLength, 20);
  });

  it('does not merge ranges of different memories', () => {
    const segments = new Segments();
    segments.push(new Uint8Array(8), 0, 4);
    segments.push(new Uint8Array(8), 4, 4);
    assert.equal(segments.count, 2);
  });

  it('slices as an array does', () => {
    fc.assert(
      fc.property(scattered, fc.nat(), fc.nat(), ({ segments, expected }, a, b) => {
        const start = a % (expected.length + 1);
        const length = b % (expected.length - start + 1);
        const part = segments.slice(start, length);
        assert.equal(part.byteLength, length);
        assert.deepEqual([...part.toBytes()], expected.slice(start, start + length));
      }),
    );
  });

  it('copies out what was copied in, and touches nothing else', () => {
    const memory = new Uint8Array(64);
    const segments = new Segments();
    for (const offset of [40, 8, 24]) segments.push(memory, offset, 8);
    segments.copyFrom(
      3,
      18,
      Uint8Array.from({ length: 20 }, (_, i) => i + 1),
      1,
    );
    const back = new Uint8Array(20);
    segments.copyTo(3, 18, back, 2);
    assert.deepEqual([...back], [0, 0, ...Array.from({ length: 18 }, (_, i) => i + 2)]);
    assert.equal(memory.filter((byte) => byte !== 0).length, 18);
  });

  it('fills a part', () => {
    const memory = new Uint8Array(16);
    const segments = new Segments();
    segments.push(memory, 0, 4);
    segments.push(memory, 8, 4);
    segments.fill(7, 2, 4);
    assert.deepEqual([...memory.subarray(0, 12)], [0, 0, 7, 7, 0, 0, 0, 0, 7, 7, 0, 0]);
  });

  it('refuses what is outside of the memory or of the list', () => {
    const memory = new Uint8Array(16);
    const segments = Segments.of(memory);
    for (const [offset, length] of [
      [-1, 2],
      [15, 2],
      [0, 17],
      [17, 0],
      [0, -1],
      [Number.NaN, 1],
    ] as const) {
      assert.throws(() => segments.push(memory, offset, length), RangeError, `push ${offset}+${length}`);
      assert.throws(() => segments.slice(offset, length), RangeError, `slice ${offset}+${length}`);
      assert.throws(() => segments.copyTo(offset, length, new Uint8Array(99)), RangeError);
      assert.throws(() => segments.copyFrom(offset, length, new Uint8Array(99)), RangeError);
    }
    assert.throws(() => segments.copyTo(0, 16, new Uint8Array(15)), RangeError);
    assert.throws(() => segments.copyFrom(0, 16, new Uint8Array(16), 1), RangeError);
    assert.equal(segments.byteLength, 16);
  });

  it('lets go of the memory when it is cleared', () => {
    const memory = new Uint8Array(8);
    const segments = Segments.of(memory);
    segments.clear();
    assert.equal(segments.byteLength, 0);
    assert.equal(segments.count, 0);
    assert.ok(!segments.memory.some(({ bytes }) => bytes === memory));
  });
});
