/** What every message log must do; each implementation's test file runs these. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { encodeFrame } from '../protocol/frames.ts';
import type { Batch, MessageLog } from './message-log.ts';

export const room = '00112233445566778899aabbccddeeff';
export const otherRoom = 'ff'.repeat(16);
export const alice = 'aa'.repeat(32);
export const bob = 'bb'.repeat(32);

/** The DELIVER frame of message `seq`, whose envelope is `size` bytes long. */
export function deliver(seq: number, size = 20): Uint8Array {
  const envelope = new Uint8Array(size).fill(seq);
  return encodeFrame({
    type: 'deliver',
    seq,
    time: 1000,
    member: Buffer.from(alice, 'hex'),
    n: seq,
    envelope,
  });
}

/** A batch of the messages `first` to `last`, all of alice, with n = seq. */
export function batch(first: number, last: number, changes: Partial<Batch> = {}, size = 20): Batch {
  return {
    room,
    first,
    last,
    time: 1000,
    frames: run(first, last, size),
    members: [{ member: alice, lastN: last }],
    ...changes,
  };
}

function run(first: number, last: number, size = 20): Uint8Array {
  const frames = Array.from({ length: last - first + 1 }, (_, index) => deliver(first + index, size));
  return new Uint8Array(Buffer.concat(frames));
}

export function messageLogCases(name: string, open: () => Promise<MessageLog>): void {
  const inRoom = async (work: (log: MessageLog) => Promise<void>) => {
    const log = await open();
    try {
      await log.createRoom(room);
      await work(log);
    } finally {
      await log.close();
    }
  };

  describe(name, () => {
    test('a room is unknown until it is created, and empty then', () =>
      inRoom(async (log) => {
        assert.equal(await log.roomState(otherRoom), undefined);
        assert.deepEqual(await log.roomState(room), { head: 0, first: 1, bytes: 0 });
        assert.equal(await log.read(room, 0, 1000), undefined);
        assert.equal(await log.lastN(room, alice), 0);
        assert.equal(await log.roomCount(), 1);
      }));

    test('creating a room again changes nothing', () =>
      inRoom(async (log) => {
        await log.append([batch(1, 2)]);
        await log.createRoom(room);
        assert.equal((await log.roomState(room))?.head, 2);
        assert.equal(await log.roomCount(), 1);
      }));

    test('an append moves the head, the size, and the last n of its members', () =>
      inRoom(async (log) => {
        const both = [
          { member: alice, lastN: 7 },
          { member: bob, lastN: 1 },
        ];
        await log.append([batch(1, 3)]);
        await log.append([batch(4, 4, { members: both })]);
        assert.deepEqual(await log.roomState(room), { head: 4, first: 1, bytes: run(1, 4).length });
        assert.equal(await log.lastN(room, alice), 7);
        assert.equal(await log.lastN(room, bob), 1);
      }));

    test('rooms do not touch each other', () =>
      inRoom(async (log) => {
        await log.createRoom(otherRoom);
        await log.append([batch(1, 1), batch(1, 2, { room: otherRoom })]);
        assert.equal((await log.roomState(room))?.head, 1);
        assert.equal((await log.roomState(otherRoom))?.head, 2);
        assert.equal((await log.read(room, 0, 1e6))?.last, 1);
      }));

    test('an append that does not continue its room stores nothing at all', () =>
      inRoom(async (log) => {
        const refused = { name: 'LogError', code: 'LOG_OUT_OF_ORDER' };
        await assert.rejects(log.append([batch(2, 2)]), refused);
        await assert.rejects(log.append([batch(1, 1), batch(1, 1)]), refused);
        await assert.rejects(log.append([batch(1, 1), batch(1, 1, { room: otherRoom })]), refused);
        assert.deepEqual(await log.roomState(room), { head: 0, first: 1, bytes: 0 });
        await log.append([batch(1, 1), batch(2, 2)]);
        assert.equal((await log.roomState(room))?.head, 2);
      }));

    test('from any position in any batches, reading on gives the rest, byte for byte', async () => {
      const log = await open();
      const sizes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 6 });
      await fc.assert(
        fc.asyncProperty(
          sizes,
          fc.nat(),
          fc.integer({ min: 1, max: 600 }),
          async (counts, from, maxBytes) => {
            // Of a room of its own: a log for each run would be a thread for each.
            const room = randomBytes(16).toString('hex');
            await log.createRoom(room);
            let head = 0;
            for (const count of counts) {
              await log.append([batch(head + 1, head + count, { room })]);
              head += count;
            }
            const after = from % (head + 1);
            const parts: Uint8Array[] = [];
            let at = after;
            for (
              let part = await log.read(room, at, maxBytes);
              part;
              part = await log.read(room, at, maxBytes)
            ) {
              assert.equal(part.first, at + 1);
              parts.push(part.frames);
              at = part.last;
            }
            assert.equal(at, head);
            assert.deepEqual(new Uint8Array(Buffer.concat(parts)), run(after + 1, head));
          },
        ),
        { numRuns: 40 },
      );
      await log.close();
    });

    test('one read is bounded, but is never less than one batch', () =>
      inRoom(async (log) => {
        const size = deliver(1).length;
        for (let seq = 1; seq <= 9; seq += 1) await log.append([batch(seq, seq)]);
        await log.append([batch(10, 30)]);
        assert.equal((await log.read(room, 0, 3 * size))?.last, 3);
        assert.equal((await log.read(room, 0, 3 * size - 1))?.last, 2);
        assert.equal((await log.read(room, 9, 1))?.last, 30);
      }));

    test('pruning deletes what is older, and says what is left', () =>
      inRoom(async (log) => {
        await log.append([batch(1, 2, { time: 1000 })]);
        await log.append([batch(3, 4, { time: 2000 })]);
        assert.equal(await log.prune(2000), false);
        assert.deepEqual(await log.roomState(room), { head: 4, first: 3, bytes: run(3, 4).length });
        assert.equal((await log.read(room, 0, 1e6))?.first, 3);
        await log.prune(9999);
        assert.deepEqual(await log.roomState(room), { head: 4, first: 5, bytes: 0 });
        await log.append([batch(5, 5)]);
        assert.equal((await log.read(room, 0, 1e6))?.first, 5);
        assert.equal(await log.lastN(room, alice), 5);
      }));

    test('after close everything is refused', async () => {
      const log = await open();
      await log.close();
      await log.close();
      await assert.rejects(log.createRoom(room), { code: 'LOG_CLOSED' });
      await assert.rejects(log.append([]), { code: 'LOG_CLOSED' });
    });
  });
}
