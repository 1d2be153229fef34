import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { storeWhatFits } from './what-fits.ts';

const sizes = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 30 });

test('the smallest are stored, as many as there is room for, in a few calls', () => {
  fc.assert(
    fc.property(sizes, fc.nat(300), (items, room) => {
      let left = room;
      let calls = 0;
      const store = (some: readonly number[]) => {
        calls += 1;
        const sum = some.reduce((a, b) => a + b, 0);
        if (sum > left) throw new RangeError('full');
        left -= sum;
        return some.map((size) => `stored ${size}`);
      };
      const all = () =>
        storeWhatFits(items, { sizeOf: (size) => size, store, isFull: () => true, refusal: () => 'refused' });
      const sorted = [...items].sort((a, b) => a - b);
      if (room < sorted[0]!) {
        assert.throws(all, RangeError);
        return;
      }
      const results = all();
      assert(calls <= 2 + 2 * Math.ceil(Math.log2(items.length)));
      for (const [index, size] of items.entries()) {
        assert(results[index] === 'refused' || results[index] === `stored ${size}`);
      }
      let sum = 0;
      const fitting = sorted.filter((size) => {
        sum += size;
        return sum <= room;
      });
      const stored = items.filter((_, index) => results[index] !== 'refused').sort((a, b) => a - b);
      assert.deepEqual(stored, fitting);
    }),
  );
});

test('another error ends it: of what was not stored by then, it is said', () => {
  const store = (items: readonly number[]) => {
    if (items.length > 1) throw new Error('full');
    if (items[0] === 2) throw new Error('broken');
    return ['stored'];
  };
  const isFull = (error: unknown) => (error as Error).message === 'full';
  const refusal = (error: unknown) => (error as Error).message;
  assert.deepEqual(storeWhatFits([3, 1, 2], { sizeOf: (size) => size, store, isFull, refusal }), [
    'broken',
    'stored',
    'broken',
  ]);
});
