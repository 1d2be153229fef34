import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryBlock, Segments } from '@skytale/virtio';
import fc from 'fast-check';
import { RangeSet } from './range-set.ts';

const blocks = [new MemoryBlock(new Uint8Array(64)), new MemoryBlock(new Uint8Array(64))] as const;

type Range = { which: 0 | 1; start: number; length: number };
const range: fc.Arbitrary<Range> = fc.record({
  which: fc.constantFrom(0, 1),
  start: fc.nat(56),
  length: fc.integer({ min: 1, max: 8 }),
});

function segmentsOf(ranges: readonly Range[]): Segments {
  const segments = new Segments();
  for (const { which, start, length } of ranges) segments.push(blocks[which], start, length);
  return segments;
}

function bytesOf(ranges: readonly Range[]): string[] {
  return ranges.flatMap(({ which, start, length }) =>
    Array.from({ length }, (_, i) => `${which}:${start + i}`),
  );
}

test('A set of ranges knows each byte that is in it, and none from before it was cleared', () => {
  const lists = fc.array(fc.array(range, { maxLength: 3 }), { maxLength: 6 });
  const set = new RangeSet();
  fc.assert(
    fc.property(lists, fc.array(range, { maxLength: 3 }), (added, asked) => {
      set.clear();
      for (const ranges of added) set.add(segmentsOf(ranges));
      const known = new Set(added.flatMap(bytesOf));
      assert.equal(
        set.overlaps(segmentsOf(asked)),
        bytesOf(asked).some((byte) => known.has(byte)),
      );
    }),
    { numRuns: 500 },
  );
});
