import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RoomCipher } from '../encryption/room-cipher.ts';
import { Inbox, type InboxFrame } from './inbox.ts';
import { Turns } from './turns.ts';

/** What comes from the network at once. */
const PIECE_BYTES = 64 * 1024;

/** A view of a whole piece. */
const view = (length: number) => new Uint8Array(PIECE_BYTES).subarray(1, 1 + length);

/** An inbox whose reader waits, and what it read in the end. */
function blockedInbox() {
  const read: InboxFrame[] = [];
  const pressure: boolean[] = [];
  const scheduled: (() => void)[] = [];
  let blocked = true;
  const inbox = new Inbox({
    clock: {
      now: () => 0,
      monotonic: () => 0,
      after: () => ({ [Symbol.dispose]: () => {} }),
      soon: (work: () => void) => {
        scheduled.push(work);
        return { [Symbol.dispose]: () => {} };
      },
    },
    cipher: { open: async () => ({}) } as unknown as RoomCipher,
    turns: new Turns(),
    reader: {
      get blocked() {
        return blocked;
      },
      isKnown: () => false,
      read: async (frame) => {
        read.push(frame);
        return true;
      },
      leave: async () => {},
      finish: async () => {},
    },
    onPressure: (high) => pressure.push(high),
    onFatal: assert.fail,
  });
  const readAll = async () => {
    blocked = false;
    await inbox.settled();
    return read;
  };
  return { inbox, pressure, readAll };
}

describe('frames that wait for their turn', () => {
  it('hold nothing of the network’s pieces that they came in', async () => {
    const { inbox, readAll } = blockedInbox();
    inbox.take({ type: 'deliver', seq: 1, time: 0, member: view(32), n: 1, envelope: view(100) });
    inbox.take({ type: 'ack', n: 1, seq: 1, time: 0, hash: view(32) });
    inbox.take({ type: 'presence', present: true, member: view(32) });
    inbox.take({ type: 'present', start: true, members: [view(32), view(32)] });
    const fields = (await readAll()).flatMap((frame) => Object.values(frame).flat());
    const held = fields.filter((field) => field instanceof Uint8Array);
    assert.deepEqual(
      held.map(({ buffer }) => buffer.byteLength),
      [32, 100, 32, 32, 32, 32],
    );
  });

  it('stop the reading of the connection when they are many, or long, lists of members too', () => {
    const members = Array.from({ length: 2047 }, () => new Uint8Array(32));
    const long: InboxFrame[] = [
      { type: 'deliver', seq: 1, time: 0, member: view(32), n: 1, envelope: view(65_000) },
      { type: 'present', start: false, members },
    ];
    for (const frame of long) {
      const { inbox, pressure } = blockedInbox();
      for (let count = 0; count < 64; count += 1) inbox.take(frame);
      assert.deepEqual(pressure, []);
      inbox.take(frame);
      assert.deepEqual(pressure, [true]);
    }
    const { inbox, pressure } = blockedInbox();
    for (let count = 0; count < 512; count += 1) inbox.take({ type: 'live', seq: 0 });
    assert.deepEqual(pressure, []);
    inbox.take({ type: 'live', seq: 0 });
    assert.deepEqual(pressure, [true]);
  });
});
