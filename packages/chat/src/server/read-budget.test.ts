import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReadBudget } from './read-budget.ts';

const KIB = 1024;

test('the more is read and not yet taken, the less is read at once, and nobody waits', () => {
  const budget = new ReadBudget();
  const taken = Array.from({ length: 10_000 }, () => budget.take());
  assert.equal(taken[0], 256 * KIB);
  assert.equal(taken.at(-1), 16 * KIB);
  assert(taken.every((bytes, index) => index === 0 || bytes <= taken[index - 1]!));
  assert(budget.used <= 64 * KIB * KIB + 10_000 * 16 * KIB);
  for (const bytes of taken) budget.giveBack(bytes);
  assert.equal(budget.used, 0);
  assert.equal(budget.take(), 256 * KIB);
});
