import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Tail, TailBytes } from './tail.ts';

const MIB = 1024 * 1024;

interface Item {
  readonly first: number;
  readonly last: number;
  readonly size: number;
}

describe('a tail', () => {
  test('finds every message that it keeps, and no other', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.nat(MIB)), { maxLength: 80 }),
        (list) => {
          const all = new TailBytes();
          const tail = new Tail<Item>(all);
          let next = 1;
          const kept: Item[] = [];
          for (const [count, length] of list) {
            const item = { first: next, last: next + count - 1, size: length };
            next += count;
            tail.push(item);
            kept.push(item);
            let bytes = kept.reduce((sum, one) => sum + one.size, 0);
            while (bytes > 4 * MIB) bytes -= kept.shift()!.size;
            assert.equal(tail.bytes, bytes);
            assert.equal(all.bytes, bytes);
          }
          const oldest = kept.find((item) => item.size > 0);
          for (let seq = oldest?.first ?? next; seq < next; seq += 1) {
            assert.equal(
              tail.at(seq),
              kept.find(({ first, last }) => first <= seq && seq <= last),
            );
          }
          assert.equal(tail.at(next), undefined);
          if (kept[0] !== undefined) assert.equal(tail.at(kept[0].first - 1), undefined);
          tail.clear();
          assert.equal(all.bytes, 0);
          assert.equal(tail.at(next - 1), undefined);
        },
      ),
    );
  });

  test('shares one limit with those of other rooms', () => {
    const all = new TailBytes();
    const tails = Array.from({ length: 40 }, () => new Tail<Item>(all));
    for (const tail of tails) {
      for (let seq = 1; seq <= 4; seq += 1) tail.push({ first: seq, last: seq, size: MIB });
      assert(all.bytes <= 64 * MIB);
    }
    for (const tail of tails) tail.clear();
    assert.equal(all.bytes, 0);
  });

  test('costs the same for each batch, however many it keeps', () => {
    /** How often batches are looked at, for each one that is pushed and looked for, where `count` are kept. */
    const looks = (count: number): number => {
      let looked = 0;
      const tail = new Tail<Item>(new TailBytes());
      const size = Math.floor((4 * MIB) / count);
      const rounds = 3 * count;
      for (let seq = 1; seq <= rounds; seq += 1) {
        tail.push({
          get first() {
            looked += 1;
            return seq;
          },
          get last() {
            looked += 1;
            return seq;
          },
          get size() {
            looked += 1;
            return size;
          },
        });
        tail.at(Math.max(1, seq - count + 2));
      }
      return looked / rounds;
    };
    const [few, many] = [looks(250), looks(4000)];
    // Binary search: one more look for each doubling.
    assert(many - few <= 5, `${few} looks at 250 batches, ${many} at 4,000`);
  });
});
