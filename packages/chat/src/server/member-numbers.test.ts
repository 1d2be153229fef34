import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemberNumbers } from './member-numbers.ts';

const last = (n: number) => ({ n, hash: new Uint8Array(32) });

test('a member is known until no seat has it and the writer has nothing of it, in whichever order', () => {
  const numbers = new MemberNumbers();
  numbers.hold('a');
  numbers.accept('a', 1);
  numbers.accept('a', 2);
  numbers.release('a');
  numbers.stored('a', last(2));
  assert(numbers.has('a', 2));
  numbers.over('a', 1);
  assert(numbers.has('a', 2));
  numbers.over('a', 1);
  assert.equal(numbers.size, 0);

  numbers.hold('a');
  numbers.accept('a', 3);
  numbers.dropped();
  assert.equal(numbers.size, 1);
  numbers.release('a');
  assert.equal(numbers.size, 0);
});
