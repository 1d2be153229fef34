import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openEngineDevice } from '@skytale/cryptodev';
import { RoomKeys } from '../encryption/key-schedule.ts';
import { nodeCrypto } from '../node-crypto.ts';
import { LocalSeal } from './local-seal.ts';

const member = new Uint8Array(32).fill(1);
const text = Buffer.from('hello');

/** As in each of two copies of a machine that was saved: its random numbers are always the same. */
async function openSeal() {
  const stack = new AsyncDisposableStack();
  const device = stack.use(await openEngineDevice('node'));
  const crypto = { ...nodeCrypto(), randomBytes: (length: number) => new Uint8Array(length) };
  const keys = stack.use(await RoomKeys.derive(crypto, new Uint8Array(32)));
  const seal = stack.adopt(new LocalSeal(device, keys, member), (open) => open.close());
  return { seal, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

describe('what is kept of texts', () => {
  it('opens as what it was sealed as, and as nothing else', async () => {
    await using all = await openSeal();
    const record = await all.seal.seal('draft', 1, text);
    assert.deepEqual(Buffer.from(await all.seal.open('draft', 1, record)), text);
    const others = [
      ['message', 1, record],
      ['draft', 2, record],
      ['draft', 1, record.with(20, record[20]! ^ 1)],
      ['draft', 1, record.subarray(0, 20)],
    ] as const;
    for (const [kind, number, bytes] of others)
      await assert.rejects(all.seal.open(kind, number, bytes), { code: 'CHAT_STATE_CORRUPT' });
  });

  it('has no nonce twice, not even where random numbers are the same', async () => {
    await using all = await openSeal();
    const records = [
      await all.seal.seal('draft', 1, text),
      await all.seal.seal('draft', 1, Buffer.from('hellp')),
      await all.seal.seal('draft', 1, new Uint8Array(0)),
      await all.seal.seal('draft', 2, text),
      await all.seal.seal('message', 1, text),
    ];
    const nonces = new Set(records.map((record) => Buffer.from(record.subarray(0, 12)).toString('hex')));
    assert.equal(nonces.size, records.length);
  });
});
