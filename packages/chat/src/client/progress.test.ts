import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { genesisOf } from '../encryption/chain.ts';
import { Transcript } from '../encryption/transcript.ts';
import { nodeCrypto } from '../node-crypto.ts';
import { Progress } from './progress.ts';
import type { Advance, StateStore } from './state-store.ts';

const crypto = nodeCrypto();
const alice = await crypto.sha256(Buffer.from('alice'));
const genesis = await genesisOf(crypto, new Uint8Array(16));

/** A progress over a store that only records. */
function recorded(floor = 0, size = 1000) {
  const written: Advance[] = [];
  const store = { advance: (advance: Advance) => written.push(advance) } as unknown as StateStore;
  const transcript = new Transcript(crypto, genesis);
  const progress = new Progress(store, floor);
  const note = async (n: number, confirm: boolean) => {
    const delivery = { seq: transcript.seq + 1, member: alice, n, envelope: new Uint8Array(1) };
    await transcript.takeOwn(delivery, 'alice');
    progress.note(transcript, [transcript.sender(alice)!], n, confirm ? size : undefined);
  };
  return { progress, note, places: () => written.map(({ seq }) => seq), written };
}

describe('progress', () => {
  it('is written up to the first message that is not confirmed', async () => {
    const { progress, note, places } = recorded();
    await note(1, false);
    await note(2, true);
    await note(3, false);
    await note(4, true);
    await note(5, false);
    progress.confirm(0);
    progress.confirm(1);
    assert.deepEqual(places(), [1]);
    progress.confirm(2);
    assert.deepEqual(places(), [1, 3]);
    progress.confirm(4);
    assert.deepEqual(places(), [1, 3, 5]);
  });

  it('is written once for several messages, with the senders as they were last', async () => {
    const { progress, note, written } = recorded();
    for (let n = 1; n <= 4; n += 1) await note(n, true);
    progress.confirm(3);
    assert.equal(written.length, 1);
    assert.equal(written[0]?.acknowledged, 3);
    assert.deepEqual(
      Array.from(written[0]?.senders ?? [], ({ n }) => n),
      [3],
    );
  });

  it('is behind with too many messages, or too many bytes, until they are confirmed', async () => {
    for (const [size, most] of [
      [1, 1024],
      [64 * 1024, 32],
    ] as const) {
      const { progress, note } = recorded(0, size);
      for (let n = 1; n <= most; n += 1) {
        assert.equal(progress.isBehind, false, `${n} of ${size}`);
        await note(n, true);
        await note(n, false);
      }
      assert.equal(progress.isBehind, true);
      progress.confirm(1);
      assert.equal(progress.isBehind, false);
    }
  });

  it('does not go back behind what is on disk', async () => {
    const { progress, note, places } = recorded(3);
    for (let n = 1; n <= 4; n += 1) {
      await note(n, true);
      progress.confirm(n);
    }
    assert.deepEqual(places(), [3, 4]);
  });
});
