import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nodeCrypto } from '../node-crypto.ts';
import { RoomKeys } from './key-schedule.ts';

const crypto = nodeCrypto();
const epoch = new Uint8Array(16);
const member = new Uint8Array(32);

describe('room keys', () => {
  it('are as docs/protocol.md derives them', async () => {
    using keys = await RoomKeys.derive(crypto, new Uint8Array(32).fill(1));
    const root = await crypto.hkdf(
      new Uint8Array(32).fill(1),
      new Uint8Array(0),
      Buffer.from('skytale messages 1'),
      32,
    );
    const info = Buffer.concat([Buffer.from('skytale sender 1'), member]);
    assert.deepEqual(await keys.senderKey(epoch, member), await crypto.hkdf(root, epoch, info, 32));
  });

  it('are none of a secret of another length', async () => {
    for (const length of [0, 31, 33])
      await assert.rejects(RoomKeys.derive(crypto, new Uint8Array(length)), RangeError);
  });

  it('are all of no use after they were wiped, the access key too', async () => {
    const keys = await RoomKeys.derive(crypto, new Uint8Array(32));
    keys[Symbol.dispose]();
    keys[Symbol.dispose]();
    await assert.rejects(keys.senderKey(epoch, member), /wiped/);
    await assert.rejects(keys.verification(member, 60), /wiped/);
    await assert.rejects(keys.accessKey.sign(member), /wiped/);
  });

  it('give none that was under way when they were wiped', async () => {
    const given: Uint8Array[] = [];
    const slow = {
      ...crypto,
      async hkdf(...args: Parameters<typeof crypto.hkdf>) {
        const key = await crypto.hkdf(...args);
        given.push(key);
        return key;
      },
    };
    const keys = await RoomKeys.derive(slow, new Uint8Array(32).fill(1));
    const under = [
      keys.senderKey(epoch, member),
      keys.stateKey(member),
      keys.stateNonce(member, epoch, new Uint8Array(32)),
      keys.verification(member, 60),
    ];
    const before = given.length;
    keys[Symbol.dispose]();
    for (const key of under) await assert.rejects(key, /wiped/);
    assert.equal(given.length, before + under.length);
    for (const key of given.slice(before)) assert.ok(key.every((byte) => byte === 0));
  });
});
