import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nodeCrypto } from '../node-crypto.ts';
import { RoomKeys } from './key-schedule.ts';
import { safetyNumber } from './safety-number.ts';

const crypto = nodeCrypto();
const room = await RoomKeys.derive(crypto, new Uint8Array(32).fill(1));
const [alice, bob, carol] = [2, 3, 4].map((byte) => new Uint8Array(32).fill(byte)) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
];

describe('a safety number', () => {
  it('is sixty digits in groups of five', async () => {
    assert.match(await safetyNumber(room, alice, bob), /^(\d{5} ){11}\d{5}$/);
  });

  it('is the same for both, and another for each pair and each room', async () => {
    const number = await safetyNumber(room, alice, bob);
    assert.equal(await safetyNumber(room, bob, alice), number);
    assert.notEqual(await safetyNumber(room, alice, carol), number);
    const elsewhere = await RoomKeys.derive(crypto, new Uint8Array(32));
    assert.notEqual(await safetyNumber(elsewhere, alice, bob), number);
  });
});
