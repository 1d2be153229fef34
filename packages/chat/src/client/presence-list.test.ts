import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { toHex } from '../bytes.ts';
import { PresenceList } from './presence-list.ts';

const [a, b, c] = ['aa', 'bb', 'cc'].map((pair) => Buffer.from(pair.repeat(32), 'hex')) as [
  Buffer,
  Buffer,
  Buffer,
];

describe('a presence list', () => {
  function recorded() {
    const changes: string[] = [];
    const list = new PresenceList((member, present) =>
      changes.push(`${present ? '+' : '-'}${member.slice(0, 2)}`),
    );
    return { list, changes, taken: () => changes.splice(0) };
  }

  it('tells each change once', () => {
    const { list, taken } = recorded();
    list.change(a, true);
    list.change(b, true);
    list.change(b, true);
    list.change(a, false);
    list.change(a, false);
    assert.deepEqual(taken(), ['+aa', '+bb', '-aa']);
    assert.deepEqual([...list.members], [toHex(b)]);
  });

  it('tells the difference when a new list comes, in several parts', () => {
    const { list, taken } = recorded();
    list.list(true, [a, b]);
    list.endList();
    list.list(true, [c]);
    list.list(false, [b]);
    assert.deepEqual(taken(), ['+cc']);
    list.endList();
    list.endList();
    assert.deepEqual(taken(), ['-aa']);
  });

  it('tells nothing of those of the first list of a connection, but who has gone before it', () => {
    const { list, taken } = recorded();
    assert.equal(list.list(true, [a]), true);
    assert.equal(list.list(false, [b]), true);
    list.change(c, true);
    list.begin();
    assert.equal(list.list(true, [b]), true);
    list.endList();
    assert.deepEqual(taken(), ['+cc', '-aa', '-cc']);
    assert.equal(list.list(true, [a]), false);
    assert.deepEqual(taken(), ['+aa']);
  });

  it('remembers no more than a bounded number', () => {
    const { list } = recorded();
    for (let index = 0; index < 65_600; index += 1) {
      const member = Buffer.alloc(32);
      member.writeUInt32BE(index);
      list.change(member, true);
    }
    assert.equal([...list.members].length, 65_536);
  });
});
