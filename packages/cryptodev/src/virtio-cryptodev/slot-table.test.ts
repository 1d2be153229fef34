import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
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
