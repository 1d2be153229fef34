import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { SlotTable } from './slot-table.ts';

describe('SlotTable', () => {
  it('gives out ids that are not 0 and all differ, up to its limit', () => {
    const table = new SlotTable<string>(3);
    const ids = ['a', 'b', 'c'].map((value) => table.add(value));
    assert.equal(new Set([0, ...ids]).size, 4);
    assert.deepEqual(
      ids.map((id) => table.get(id)),
      ['a', 'b', 'c'],
    );
    assert.equal(table.add('d'), 0);
    assert.equal(table.size, 3);
  });

  it('does not know what was removed, nor what was never there', () => {
    const table = new SlotTable<string>(2);
    const id = table.add('a');
    assert.equal(table.remove(id), 'a');
    assert.equal(table.remove(id), undefined);
    for (const unknown of [0, id, 1, 0xffff, 0xffffffff, id + 1]) assert.equal(table.get(unknown), undefined);
  });

  it('does not know an id again when its place is used anew, for thousands of times', () => {
    const table = new SlotTable<number>(2);
    const seen = new Set<number>();
    for (let i = 0; i < 100_000; i++) {
      const id = table.add(i);
      assert.ok(!seen.has(id));
      seen.add(id);
      table.remove(id);
    }
  });

  it('removes all', () => {
    const table = new SlotTable<string>(2);
    const ids = [table.add('a'), table.add('b')];
    assert.deepEqual(table.removeAll(), ['a', 'b']);
    assert.deepEqual(
      ids.map((id) => table.get(id)),
      [undefined, undefined],
    );
    assert.equal(table.size, 0);
    assert.notEqual(table.add('c'), 0);
  });

  it('has a limit that its ids have room for', () => {
    for (const limit of [0, -1, 1.5, 65_537]) assert.throws(() => new SlotTable(limit), RangeError);
  });
});

describe('SlotTable with ids of 31 bits', () => {
  it('does what a map with a limit does, and never gives an id twice in a row', () => {
    const steps = fc.array(fc.oneof(fc.constant(-1), fc.nat(9)), { maxLength: 200 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), steps, (limit, choices) => {
        const table = new SlotTable<number>(limit, 31);
        const model = new Map<number, number>();
        const closed = new Set<number>();
        for (const [value, choice] of choices.entries()) {
          const victim = choice < 0 ? undefined : [...model.keys()][choice];
          if (victim !== undefined) {
            assert.equal(table.remove(victim), model.get(victim));
            model.delete(victim);
            closed.add(victim);
          } else {
            const id = table.add(value);
            assert.equal(id === 0, model.size === limit);
            if (id === 0) continue;
            assert.ok(id > 0 && id < 2 ** 31 && !model.has(id) && !closed.has(id));
            model.set(id, value);
          }
          assert.equal(table.size, model.size);
          for (const [id, entry] of model) assert.equal(table.get(id), entry);
          for (const id of closed) assert.equal(table.get(id), undefined);
        }
        assert.deepEqual(table.removeAll().sort(), [...model.values()].sort());
        for (const id of model.keys()) assert.equal(table.get(id), undefined);
        assert.notEqual(table.add(1), 0);
      }),
    );
  });

  it('knows no id with upper bits', () => {
    const table = new SlotTable<string>(2, 31);
    const id = table.add('a');
    assert.equal(table.get(id, 1), undefined);
    assert.equal(table.remove(id, 0xffffffff), undefined);
    assert.equal(table.get(id, 0), 'a');
    assert.equal(table.get(id | 0x80000000), undefined);
  });

  it('gives an id again only when its place was used 32,767 times', () => {
    const table = new SlotTable<number>(1, 31);
    const first = table.add(0);
    table.remove(first);
    for (let i = 1; i < 32_767; i++) {
      const id = table.add(i);
      assert.notEqual(id, first);
      table.remove(id);
    }
    assert.equal(table.add(0), first);
  });

  it('has bounds', () => {
    for (const limit of [0, 1.5, 65_537]) assert.throws(() => new SlotTable(limit, 31), RangeError);
    const table = new SlotTable<number>(65_536, 31);
    let last = 0;
    for (let i = 0; i < 65_536; i++) last = table.add(i);
    assert.equal(table.add(1), 0);
    assert.equal(table.get(last), 65_535);
  });
});

describe('SlotTable that is brought back', () => {
  it('has the entries it had, and gives no id that it gave before', () => {
    const steps = fc.array(fc.oneof(fc.constant(-1), fc.nat(9)), { maxLength: 60 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), steps, fc.boolean(), (limit, choices, backwards) => {
        const table = new SlotTable<number>(limit, 31);
        const given = new Set<number>();
        for (const [value, choice] of choices.entries()) {
          const [victim] = [...table.entries()][choice] ?? [];
          if (victim !== undefined) table.remove(victim);
          else given.add(table.add(value));
        }
        const entries = [...table.entries()];
        const again = new SlotTable<number>(limit, 31);
        again.restoreGenerations(table.generations);
        for (const [id, value] of backwards ? entries.toReversed() : entries) again.restore(id, value);
        assert.deepEqual([...again.entries()], entries);
        for (const [id, value] of entries) assert.throws(() => again.restore(id, value), RangeError);
        for (let free = limit - entries.length; free > 0; free--) {
          const id = again.add(0);
          assert.ok(id !== 0 && !given.has(id));
        }
        assert.equal(again.add(0), 0);
        assert.equal(again.removeAll().length, limit);
        for (let i = 0; i < limit; i++) assert.notEqual(again.add(i), 0);
      }),
    );
  });

  it('takes no state that is none of its own', () => {
    const table = new SlotTable<number>(2, 31);
    assert.throws(() => table.restoreGenerations(new Uint16Array(3)), RangeError);
    assert.throws(() => table.restoreGenerations(Uint16Array.of(1, 0x8000)), RangeError);
    table.restoreGenerations(Uint16Array.of(1, 0));
    for (const id of [0, -1, 1, 0x10001, 0x10002, 0x20000])
      assert.throws(() => table.restore(id, 1), RangeError);
    table.restore(0x10000, 1);
    assert.equal(table.get(0x10000), 1);
  });
});
