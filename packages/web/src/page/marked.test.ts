import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MAX_MEMBERS, type Member } from '../engine.ts';
import { isMarked } from './marked.ts';

const member = (n: number, nameIsShared = false): Member => ({
  ...{ member: n.toString(16).padStart(64, '0'), name: `m${n}`, present: false, hidden: false, nameIsShared },
});

describe('a name', () => {
  it('is marked where another looks the same, and where it is not known whether one does', () => {
    const [bob, eve, stranger] = [member(1), member(2, true), member(3)];
    const few = isMarked([bob, eve]);
    assert.deepEqual(
      [bob, eve, stranger].map(({ member }) => few(member)),
      [false, true, false],
    );
    const crowd = Array.from({ length: MAX_MEMBERS - 2 }, (_, n) => member(n + 10));
    const many = isMarked([bob, eve, ...crowd]);
    assert.deepEqual(
      [bob, eve, stranger].map(({ member }) => many(member)),
      [false, true, true],
    );
  });
});
