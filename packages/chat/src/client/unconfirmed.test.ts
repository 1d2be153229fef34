import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ChatMessage } from './client-events.ts';
import { Unconfirmed } from './unconfirmed.ts';

function message(seq: number, size = 1): ChatMessage {
  const marks = { own: false, again: false, old: false };
  return { seq, from: 'alice', member: 'aa', text: 'x'.repeat(size), at: new Date(0), ...marks };
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
      assert.equal(unconfirmed.confirm(1), true);
      assert.equal(unconfirmed.isFull, false);
    }
  });

  it('are to be stored once, and not those that need not be', () => {
    const unconfirmed = new Unconfirmed();
    unconfirmed.add(message(1), true);
    for (const seq of [2, 3, 4]) unconfirmed.add(message(seq), false);
    assert.deepEqual(
      unconfirmed.takeUnstored(2).map(({ seq }) => seq),
      [3, 4],
    );
    unconfirmed.add(message(5), false);
    assert.deepEqual(
      unconfirmed.takeUnstored(2).map(({ seq }) => seq),
      [5],
    );
  });

  it('are confirmed once', () => {
    const unconfirmed = new Unconfirmed();
    for (const seq of [2, 4]) unconfirmed.add(message(seq), false);
    assert.deepEqual(
      [1, 3, 3, 9, 9].map((seq) => unconfirmed.confirm(seq)),
      [false, true, false, true, false],
    );
  });
});
