import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sha256 } from '../encryption/primitives.ts';
import { Transcript } from '../encryption/transcript.ts';
import { Progress } from './progress.ts';
import type { Advance, StateStore } from './state-store.ts';

const alice = sha256(Buffer.from('alice'));

/** A progress over a store that only records. */
function recorded(floor = 0, size = 1000) {
  const written: Advance[] = [];
  const store = { advance: (advance: Advance) => written.push(advance) } as unknown as StateStore;
  const transcript = new Transcript(new Uint8Array(16));
  const progress = new Progress(store, floor);
  const note = (n: number, confirm: boolean) => {
    const delivery = { seq: transcript.seq + 1, member: alice, n, envelope: new Uint8Array(1) };
    transcript.takeOwn(delivery, 'alice');
    progress.note(transcript, [transcript.sender(alice)!], n, confirm ? size : undefined);
  };
  return { progress, note, places: () => written.map(({ seq }) => seq), written };
}

describe('progress', () => {
  it('is written up to the first message that is not confirmed', () => {
    const { progress, note, places } = recorded();
    note(1, false);
    note(2, true);
    note(3, false);
    note(4, true);
    note(5, false);
    progress.confirm(0);
    progress.confirm(1);
    assert.deepEqual(places(), [1]);
    progress.confirm(2);
    assert.deepEqual(places(), [1, 3]);
    progress.confirm(4);
    assert.deepEqual(places(), [1, 3, 5]);
  });

  it('is written once for several messages, with the senders as they were last', () => {
    const { progress, note, written } = recorded();
    for (let n = 1; n <= 4; n += 1) note(n, true);
    progress.confirm(3);
    assert.equal(written.length, 1);
    assert.equal(written[0]?.acknowledged, 3);
    assert.deepEqual(
      Array.from(written[0]?.senders ?? [], ({ n }) => n),
      [3],
    );
  });

  it('is behind with too many messages, or too many bytes, until they are confirmed', () => {
    for (const [size, most] of [
      [1, 1024],
      [64 * 1024, 32],
    ] as const) {
      const { progress, note } = recorded(0, size);
      for (let n = 1; n <= most; n += 1) {
        assert.equal(progress.isBehind, false, `${n} of ${size}`);
        note(n, true);
        note(n, false);
      }
      assert.equal(progress.isBehind, true);
      progress.confirm(1);
      assert.equal(progress.isBehind, false);
    }
  });

  it('does not go back behind what is on disk', () => {
    const { progress, note, places } = recorded(3);
    for (let n = 1; n <= 4; n += 1) {
      note(n, true);
      progress.confirm(n);
    }
    assert.deepEqual(places(), [3, 4]);
  });
});
