import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { SessionTable } from './session-table.ts';

describe('session table', () => {
  it('does what a map with a limit does, and never gives an id twice in a row', () => {
    const steps = fc.array(fc.oneof(fc.constant(-1), fc.nat(9)), { maxLength: 200 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), steps, (limit, choices) => {
        const table = new SessionTable<number>(limit);
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
    const table = new SessionTable<string>(2);
    const id = table.add('a');
    assert.equal(table.get(id, 1), undefined);
    assert.equal(table.remove(id, 0xffffffff), undefined);
    assert.equal(table.get(id, 0), 'a');
    assert.equal(table.get(id | 0x80000000), undefined);
  });

  it('gives an id again only when its place was used 32,767 times', () => {
    const table = new SessionTable<number>(1);
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
    for (const limit of [0, 1.5, 65_537]) assert.throws(() => new SessionTable(limit), RangeError);
    const table = new SessionTable<number>(65_536);
    let last = 0;
    for (let i = 0; i < 65_536; i++) last = table.add(i);
    assert.equal(table.add(1), 0);
    assert.equal(table.get(last), 65_535);
  });
});
