import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Segments } from '@skytale/virtio';
import fc from 'fast-check';
import { ShortBytes } from '../short-bytes.ts';
import { copyShort } from './copy-short.ts';

it('copyShort does what Segments.copyTo does, at any alignment', () => {
  const memory = Uint8Array.from({ length: 400 }, (_, i) => i);
  const range = fc.record({ view: fc.nat(3), offset: fc.nat(200), length: fc.integer({ min: 1, max: 60 }) });
  fc.assert(
    fc.property(
      fc.array(range, { minLength: 1, maxLength: 5 }),
      fc.nat(30),
      fc.nat(8),
      (ranges, start, at) => {
        const segments = new Segments();
        for (const { view, offset, length } of ranges) segments.push(memory.subarray(view), offset, length);
        const length = Math.max(0, segments.byteLength - start);
        if (length === 0) return;
        const to = new ShortBytes(320);
        copyShort(segments, start, length, to, at);
        const expected = new Uint8Array(320);
        segments.copyTo(start, length, expected, at);
        assert.deepEqual(to.bytes, expected);
      },
    ),
  );
});

it('copyShort works beyond 4 GiB', () => {
  // Only the pages that are touched take memory.
  const memory = new Uint8Array(2 ** 32 + 65_536);
  for (const offset of [2 ** 31, 2 ** 32 - 8, 2 ** 32 + 65_536 - 16]) {
    memory.set([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16], offset);
    const segments = new Segments();
    segments.push(memory, offset, 16);
    const to = new ShortBytes(16);
    copyShort(segments, 0, 16, to);
    assert.deepEqual(to.bytes, memory.slice(offset, offset + 16));
  }
});
