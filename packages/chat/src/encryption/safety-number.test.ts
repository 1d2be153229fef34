import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RoomKeys } from './key-schedule.ts';
import { safetyNumber } from './safety-number.ts';

const room = new RoomKeys(new Uint8Array(32).fill(1));
const [alice, bob, carol] = [2, 3, 4].map((byte) => new Uint8Array(32).fill(byte)) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
];

describe('a safety number', () => {
  it('is sixty digits in groups of five', () => {
    assert.match(safetyNumber(room, alice, bob), /^(\d{5} ){11}\d{5}$/);
  });

  it('is the same for both, and another for each pair and each room', () => {
    const number = safetyNumber(room, alice, bob);
    assert.equal(safetyNumber(room, bob, alice), number);
    assert.notEqual(safetyNumber(room, alice, carol), number);
    assert.notEqual(safetyNumber(new RoomKeys(new Uint8Array(32)), alice, bob), number);
  });
});
