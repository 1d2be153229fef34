import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ChatMessage } from './client-events.ts';
import { Unconfirmed } from './unconfirmed.ts';

function message(key: number, size = 1): ChatMessage {
  const marks = { own: false, again: false, old: false };
  return {
    key,
    seq: 99 - key,
    from: 'alice',
    member: 'aa',
    text: 'x'.repeat(size),
    at: new Date(0),
    ...marks,
  };
}

describe('messages that are not confirmed', () => {
  it('are too many at a number of them, or of bytes, until some are confirmed', () => {
    for (const [size, most] of [
      [1, 1024],
      [64 * 1024, 32],
    ] as const) {
      const unconfirmed = new Unconfirmed();
      for (let seq = 1; seq <= most; seq += 1) {
        assert.equal(unconfirmed.isFull, false, `${seq} of ${size}`);
        unconfirmed.add(message(seq, size), false);
      }
      assert.equal(unconfirmed.isFull, true);
      assert.deepEqual(unconfirmed.confirm(1), { messages: 1, bytes: size });
      assert.equal(unconfirmed.isFull, false);
    }
  });

  it('are to be stored once, and not those that are', () => {
    const unconfirmed = new Unconfirmed();
    unconfirmed.add(message(1), true);
    for (const key of [2, 3]) unconfirmed.add(message(key), false);
    assert.deepEqual(
      unconfirmed.takeUnstored().map(({ key }) => key),
      [2, 3],
    );
    unconfirmed.add(message(5), false);
    assert.deepEqual(
      unconfirmed.takeUnstored().map(({ key }) => key),
      [5],
    );
  });

  it('are confirmed once', () => {
    const unconfirmed = new Unconfirmed();
    for (const key of [2, 4]) unconfirmed.add(message(key), false);
    assert.deepEqual(
      [1, 3, 3, 9, 9].map((key) => unconfirmed.confirm(key).messages),
      [0, 1, 0, 1, 0],
    );
  });
});
