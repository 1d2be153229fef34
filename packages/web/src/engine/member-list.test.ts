import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MAX_MEMBERS } from '../engine.ts';
import { memberList } from './member-list.ts';

const id = (n: number) => n.toString(16).padStart(64, '0');

describe('the list of members', () => {
  it('has those that are hidden, and oneself, however many others there are', () => {
    const crowd = Array.from({ length: 3 * MAX_MEMBERS }, (_, n) => id(n));
    const [self, hidden] = [id(100_000), id(100_001)];
    const names = new Map(crowd.map((member) => [member, 'somebody']));
    const list = memberList({
      ...{ member: self, name: 'me', knownMembers: names.set(hidden, 'pest'), hidden: new Set([hidden]) },
      present: crowd.slice(0, MAX_MEMBERS).map((member) => ({ member, name: 'somebody', present: true })),
    });
    assert.equal(list.length, MAX_MEMBERS);
    assert.deepEqual(
      list.slice(0, 3).map(({ member, hidden, present }) => [member, hidden, present]),
      [
        [self, false, true],
        [hidden, true, false],
        [id(0), false, true],
      ],
    );
  });
});
