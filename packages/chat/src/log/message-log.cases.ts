/** What every message log must do; each implementation's test file runs these. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { encodeFrame } from '../protocol/frames.ts';
import type { Batch, LastMessage, LogChunk, MessageLog, Watcher } from './message-log.ts';

export const room = '00112233445566778899aabbccddeeff';
export const otherRoom = 'ff'.repeat(16);
export const alice = 'aa'.repeat(32);
export const bob = 'bb'.repeat(32);

export const noHash: Uint8Array = new Uint8Array(32);

const envelope = (n: number, size: number) => new Uint8Array(size).fill(n);

/** The DELIVER frame of message `seq`, whose envelope is `size` bytes long. */
export function deliver(seq: number, size = 20, member = alice, n = seq): Uint8Array {
  const bytes = Buffer.from(member, 'hex');
  return encodeFrame({ type: 'deliver', seq, time: 1000, member: bytes, n, envelope: envelope(n, size) });
}

/** Message `n` of somebody, as the log keeps it. */
export function lastOf(n: number, size = 20): LastMessage {
  return { n, hash: new Uint8Array(createHash('sha256').update(envelope(n, size)).digest()) };
}

/** A batch of the messages `first` to `last`, all of alice, with n = seq. */
export function batch(first: number, last: number, changes: Partial<Batch> = {}, size = 20): Batch {
  return {
    room,
    first,
    last,
    time: 1000,
    frames: run(first, last, size),
    members: [{ member: alice, last: lastOf(last, size) }],
    ...changes,
  };
}

export function run(first: number, last: number, size = 20): Uint8Array {
  const frames = Array.from({ length: last - first + 1 }, (_, index) => deliver(first + index, size));
  return new Uint8Array(Buffer.concat(frames));
}

/** All that is in a room, read piece by piece. It ends: each piece must go on behind the one before. */
export async function readAll(
  log: MessageLog,
  room: string,
  after = 0,
  maxBytes = 1000,
): Promise<LogChunk[]> {
  const chunks: LogChunk[] = [];
  let at = after;
  for (;;) {
    const chunk = await log.read(room, at, maxBytes);
    if (chunk === undefined) return chunks;
    assert(chunk.first > at && chunk.last >= chunk.first, `${chunk.first} to ${chunk.last} behind ${at}`);
    chunks.push(chunk);
    at = chunk.last;
  }
}

/** Writes down what it is given. */
export class Notes implements Watcher {
  readonly batches: Batch[] = [];
  readonly errors: unknown[] = [];
  #onChange: (() => void)[] = [];

  stored(batch: Batch): void {
    this.batches.push(batch);
    this.#changed();
  }

  failed(error: unknown): void {
    this.errors.push(error);
    this.#changed();
  }

  get places(): number[] {
    return this.batches.flatMap(({ first, last }) =>
      Array.from({ length: last - first + 1 }, (_, i) => first + i),
    );
  }

  /** Until so many places were given, or it failed. */
  async until(places: number): Promise<void> {
    while (this.places.length < places && this.errors.length === 0) {
      await new Promise<void>((resolve) => this.#onChange.push(resolve));
    }
  }

  #changed(): void {
    for (const resolve of this.#onChange.splice(0)) resolve();
  }
}

const stored = { stored: true };

export function messageLogCases(name: string, open: () => Promise<MessageLog>): void {
  const inRoom = async (work: (log: MessageLog) => Promise<void>) => {
    const log = await open();
    try {
      await log.createRoom(room, 'somebody', 500);
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
        assert.equal(await log.read(otherRoom, 0, 1000), undefined);
        assert.deepEqual(await log.lastOf(room, alice), { n: 0, hash: noHash });
        assert.deepEqual(await log.lastOf(otherRoom, alice), { n: 0, hash: noHash });
      }));

    test('creating a room again changes nothing', () =>
      inRoom(async (log) => {
        await log.append(batch(1, 2));
        await log.createRoom(room, 'another', 900);
        assert.equal((await log.roomState(room))?.head, 2);
        assert.deepEqual(await log.roomCounts('another'), { all: 1, ofCreator: 0 });
        assert.equal((await log.rooms('', 9))[0]?.createdAt, 500);
      }));

    test('an append moves the head, the size, and the last message of its members', () =>
      inRoom(async (log) => {
        const both = [
          { member: alice, last: lastOf(7) },
          { member: bob, last: lastOf(1) },
        ];
        assert.deepEqual(await log.append(batch(1, 3)), stored);
        assert.deepEqual(await log.append(batch(4, 4, { members: both })), stored);
        assert.deepEqual(await log.roomState(room), { head: 4, first: 1, bytes: run(1, 4).length });
        assert.deepEqual(await log.lastOf(room, alice), lastOf(7));
        assert.deepEqual(await log.lastOf(room, bob), lastOf(1));
      }));

    test('rooms do not touch each other', () =>
      inRoom(async (log) => {
        await log.createRoom(otherRoom, '', 0);
        await Promise.all([log.append(batch(1, 1)), log.append(batch(1, 2, { room: otherRoom }))]);
        assert.equal((await log.roomState(room))?.head, 1);
        assert.equal((await log.roomState(otherRoom))?.head, 2);
        assert.equal((await log.read(room, 0, 1e6))?.last, 1);
      }));

    test('a batch that does not begin behind the head is not stored, and the head is told', () =>
      inRoom(async (log) => {
        assert.deepEqual(await log.append(batch(2, 2)), { stored: false, head: 0 });
        await log.append(batch(1, 3));
        assert.deepEqual(await log.append(batch(3, 4, { members: [{ member: bob, last: lastOf(1) }] })), {
          stored: false,
          head: 3,
        });
        assert.deepEqual(await log.append(batch(5, 5)), { stored: false, head: 3 });
        assert.deepEqual(await log.roomState(room), { head: 3, first: 1, bytes: run(1, 3).length });
        assert.deepEqual(await log.lastOf(room, bob), { n: 0, hash: noHash });
        assert.deepEqual(await log.append(batch(4, 4)), stored);
      }));

    test('what is wrong with one room does not touch appends to others at the same time', () =>
      inRoom(async (log) => {
        await log.createRoom(otherRoom, '', 0);
        const outcomes = await Promise.allSettled([
          log.append(batch(7, 7)),
          log.append(batch(1, 2, { room: otherRoom })),
          log.append(batch(1, 1, { room: 'ab'.repeat(16) })),
          log.append(batch(2, 1)),
          log.append(batch(1, 1)),
        ]);
        const seen = outcomes.map((outcome) =>
          outcome.status === 'fulfilled' ? outcome.value : outcome.reason.code,
        );
        assert.deepEqual(seen, [{ stored: false, head: 0 }, stored, 'LOG_NO_ROOM', 'LOG_INVALID', stored]);
        assert.equal((await log.roomState(otherRoom))?.head, 2);
        assert.equal((await log.roomState(room))?.head, 1);
      }));

    test('of two writers at one place one is stored, and the other told', () =>
      inRoom(async (log) => {
        const mine = { members: [{ member: bob, last: lastOf(1) }], frames: deliver(1, 30, bob, 1) };
        const outcomes = await Promise.all([
          log.append(batch(1, 1)),
          log.append(batch(1, 1, mine)),
          log.append(batch(1, 2)),
        ]);
        assert.deepEqual(outcomes, [stored, { stored: false, head: 1 }, { stored: false, head: 1 }]);
        assert.deepEqual((await log.read(room, 0, 1e6))?.frames, run(1, 1));
        assert.deepEqual(await log.lastOf(room, bob), { n: 0, hash: noHash });
      }));

    test('many writers that go on behind the head they are told lose nothing', () =>
      inRoom(async (log) => {
        let lost = 0;
        const write = async () => {
          for (let count = 0, head = 0; count < 10; ) {
            const outcome = await log.append(batch(head + 1, head + 1));
            if (outcome.stored) count += 1;
            else lost += 1;
            head = outcome.stored ? head + 1 : outcome.head;
          }
        };
        await Promise.all([write(), write(), write()]);
        assert(lost > 0);
        const chunks = await readAll(log, room);
        assert.deepEqual(new Uint8Array(Buffer.concat(chunks.map(({ frames }) => frames))), run(1, 30));
      }));

    test('what makes no sense is refused', () =>
      inRoom(async (log) => {
        const invalid = { name: 'LogError', code: 'LOG_INVALID' };
        const last = lastOf(1);
        for (const wrong of [
          { first: 0, last: 0 },
          { last: 0 },
          { first: 1.5, last: 1.5 },
          { time: -1 },
          { frames: new Uint8Array(0) },
          { members: [{ member: 'x', last }] },
          { members: [{ member: alice, last: { n: 0, hash: last.hash } }] },
          { members: [{ member: alice, last: { n: 1, hash: new Uint8Array(31) } }] },
        ]) {
          await assert.rejects(log.append(batch(1, 1, wrong)), invalid);
        }
        await assert.rejects(log.createRoom('no id', '', 0), invalid);
        await assert.rejects(log.createRoom(otherRoom, 'x'.repeat(65), 0), invalid);
        assert.deepEqual(await log.append(batch(1, 1)), stored);
      }));

    test('from any position in any batches, reading on gives the rest, byte for byte, in pieces that are bounded', async () => {
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
            await log.createRoom(room, '', 0);
            let head = 0;
            for (const count of counts) {
              await log.append(batch(head + 1, head + count, { room }));
              head += count;
            }
            const after = from % (head + 1);
            const chunks = await readAll(log, room, after, maxBytes);
            let at = after;
            for (const { first, last, frames, damaged } of chunks) {
              assert.equal(damaged, false);
              assert.equal(first, at + 1);
              assert(frames.length <= maxBytes || first === last);
              at = last;
            }
            assert.equal(at, head);
            const all = Buffer.concat(chunks.map(({ frames }) => frames));
            assert.deepEqual(new Uint8Array(all), run(after + 1, head));
          },
        ),
        { numRuns: 40 },
      );
      await log.close();
    });

    test('one read is bounded, also inside a batch, but is never less than one message', () =>
      inRoom(async (log) => {
        const size = deliver(1).length;
        for (let seq = 1; seq <= 9; seq += 1) await log.append(batch(seq, seq));
        await log.append(batch(10, 30));
        assert.equal((await log.read(room, 0, 3 * size))?.last, 3);
        assert.equal((await log.read(room, 0, 3 * size - 1))?.last, 2);
        assert.deepEqual(await log.read(room, 9, 1), {
          first: 10,
          last: 10,
          frames: run(10, 10),
          damaged: false,
        });
        assert.deepEqual(await log.read(room, 11, 4 * size + 1), {
          first: 12,
          last: 15,
          frames: run(12, 15),
          damaged: false,
        });
        assert.equal((await log.read(room, 28, 1e6))?.last, 30);
        assert.equal(await log.read(room, 30, 1e6), undefined);
        assert.equal(await log.read(room, 99, 1e6), undefined);
      }));

    test('what is read is in memory of its own', () =>
      inRoom(async (log) => {
        await log.append(batch(1, 3));
        for (const after of [0, 1]) {
          const chunk = await log.read(room, after, 1e6);
          assert.equal(chunk?.frames.buffer.byteLength, chunk?.frames.length);
          chunk?.frames.fill(0);
          assert.deepEqual((await log.read(room, after, 1e6))?.frames, run(after + 1, 3));
        }
      }));

    test('who watches is given what is stored before the append that stores it ends', () =>
      inRoom(async (log) => {
        const notes = new Notes();
        const other = new Notes();
        await log.createRoom(otherRoom, '', 0);
        using _watch = log.watch(room, 0, notes);
        using _other = log.watch(otherRoom, 0, other);
        assert.equal(notes.batches.length, 0);
        const ends = [
          log.append(batch(1, 2)).then(() => notes.places),
          log.append(batch(1, 1, { room: otherRoom })).then(() => other.places),
        ];
        assert.deepEqual(await Promise.all(ends), [[1, 2], [1]]);
        await log.append(batch(3, 3));
        assert.deepEqual(notes.places, [1, 2, 3]);
        assert.deepEqual(other.places, [1]);
        assert.deepEqual(await log.append(batch(2, 9)), { stored: false, head: 3 });
        assert.deepEqual(notes.places, [1, 2, 3]);
        assert.deepEqual([notes.errors, other.errors], [[], []]);
      }));

    test('who watches from an earlier place is given what came since, with its members', () =>
      inRoom(async (log) => {
        const both = {
          frames: new Uint8Array(
            Buffer.concat([deliver(3, 20, alice, 3), deliver(4, 20, bob, 1), deliver(5, 20, alice, 4)]),
          ),
          members: [
            { member: alice, last: lastOf(4) },
            { member: bob, last: lastOf(1) },
          ],
        };
        await log.append(batch(1, 2));
        await log.append(batch(3, 5, both));
        const notes = new Notes();
        using _watch = log.watch(room, 2, notes);
        await notes.until(3);
        assert.deepEqual(notes.batches, [batch(3, 5, both)]);
        const late = new Notes();
        using _late = log.watch(room, 0, late);
        // While it still reads what was before.
        await log.append(batch(6, 6, { members: [{ member: alice, last: lastOf(5) }] }));
        assert.deepEqual(late.places, [1, 2, 3, 4, 5, 6]);
        assert.deepEqual(notes.places, [3, 4, 5, 6]);
        const inside = new Notes();
        using _inside = log.watch(room, 4, inside);
        await inside.until(2);
        assert.deepEqual(inside.places, [5, 6]);
        assert.deepEqual(inside.batches[0]?.frames, deliver(5, 20, alice, 4));
      }));

    test('who no longer watches is given nothing, also not what is being read for it', () =>
      inRoom(async (log) => {
        await log.append(batch(1, 1));
        const notes = new Notes();
        const watch = log.watch(room, 0, notes);
        watch[Symbol.dispose]();
        const second = log.watch(room, 1, notes);
        await log.append(batch(2, 2));
        second[Symbol.dispose]();
        second[Symbol.dispose]();
        await log.append(batch(3, 3));
        assert.deepEqual([notes.places, notes.errors], [[2], []]);
      }));

    test('one who throws when given something has failed, and nobody else', () =>
      inRoom(async (log) => {
        const notes = new Notes();
        const failed: unknown[] = [];
        const thrown = new Error('no');
        using _bad = log.watch(room, 0, {
          stored: () => {
            throw thrown;
          },
          failed: (error) => failed.push(error),
        });
        using _watch = log.watch(room, 0, notes);
        assert.deepEqual(await log.append(batch(1, 1)), stored);
        assert.deepEqual(await log.append(batch(2, 2)), stored);
        assert.deepEqual(notes.places, [1, 2]);
        assert.deepEqual(failed, [thrown]);
      }));

    test('a watch of a room that is not there, is deleted, or whose log is closed, fails', async () => {
      const log = await open();
      const [unknown, deleted, closed] = [new Notes(), new Notes(), new Notes()];
      log.watch(otherRoom, 0, unknown);
      await unknown.until(1);
      await log.createRoom(room, '', 0);
      log.watch(room, 0, deleted);
      await log.append(batch(1, 1));
      await log.deleteRoom(room);
      await deleted.until(9);
      await log.createRoom(room, '', 0);
      log.watch(room, 0, closed);
      await log.append(batch(1, 1));
      await log.close();
      await closed.until(9);
      const codes = [unknown, deleted, closed].map(({ errors }) =>
        errors.map((error) => (error as { code: string }).code),
      );
      assert.deepEqual(codes, [['LOG_NO_ROOM'], ['LOG_NO_ROOM'], ['LOG_CLOSED']]);
    });

    test('a watch that begins before what was pruned fails, and does not stay behind', () =>
      inRoom(async (log) => {
        await log.append(batch(1, 2, { time: 1000 }));
        await log.append(batch(3, 4, { time: 2000 }));
        const [part, all, end, behind] = [new Notes(), new Notes(), new Notes(), new Notes()];
        await pruneAll(log, 2000);
        log.watch(room, 0, part);
        await part.until(1);
        await pruneAll(log, 9999);
        log.watch(room, 3, all);
        using _end = log.watch(room, 4, end);
        // The log is read for one watch after the other: when this one has its answer, so have those before it.
        log.watch(otherRoom, 0, behind);
        await behind.until(1);
        const codes = [part, all, end].map(({ errors }) =>
          errors.map((error) => (error as { code: string }).code),
        );
        assert.deepEqual(codes, [['LOG_FAILED'], ['LOG_FAILED'], []]);
        await log.append(batch(5, 5));
        assert.deepEqual(
          [part, all, end].map(({ places }) => places),
          [[], [], [5]],
        );
      }));

    test('rooms are counted, in all and by creator', async () => {
      const log = await open();
      assert.deepEqual(await log.roomCounts('a'), { all: 0, ofCreator: 0 });
      await log.createRoom('01'.repeat(16), 'a', 0);
      await log.createRoom('02'.repeat(16), 'b', 0);
      await log.createRoom('03'.repeat(16), 'a', 0);
      assert.deepEqual(await log.roomCounts('a'), { all: 3, ofCreator: 2 });
      assert.deepEqual(await log.roomCounts('nobody'), { all: 3, ofCreator: 0 });
      await log.deleteRoom('03'.repeat(16));
      assert.deepEqual(await log.roomCounts('a'), { all: 2, ofCreator: 1 });
      await log.close();
    });

    test('rooms are listed page by page, with size, last use, creator and members', () =>
      inRoom(async (log) => {
        await log.createRoom(otherRoom, 'ünïcode', 700);
        await log.append(batch(1, 3, { time: 800 }));
        await log.append(batch(4, 4, { time: 900, members: [{ member: bob, last: lastOf(1) }] }));
        const first = {
          room,
          head: 4,
          first: 1,
          bytes: run(1, 4).length,
          createdAt: 500,
          usedAt: 900,
          creator: 'somebody',
          members: 2,
          damaged: false,
        };
        const second = {
          room: otherRoom,
          head: 0,
          first: 1,
          bytes: 0,
          createdAt: 700,
          usedAt: 700,
          creator: 'ünïcode',
          members: 0,
          damaged: false,
        };
        assert.deepEqual(await log.rooms('', 9), [first, second]);
        assert.deepEqual(await log.rooms('', 1), [first]);
        assert.deepEqual(await log.rooms(room, 1), [second]);
        assert.deepEqual(await log.rooms(otherRoom, 1), []);
      }));

    test('a deleted room is gone with all that was in it, and may be created anew', () =>
      inRoom(async (log) => {
        await log.createRoom(otherRoom, '', 0);
        await log.append(batch(1, 3));
        await log.append(batch(4, 4));
        await log.append(batch(1, 2, { room: otherRoom }));
        assert.equal(await log.deleteRoom(room), true);
        assert.equal(await log.deleteRoom(room), false);
        assert.equal(await log.roomState(room), undefined);
        assert.equal(await log.read(room, 0, 1e6), undefined);
        await assert.rejects(log.append(batch(5, 5)), { code: 'LOG_NO_ROOM' });
        await log.createRoom(room, '', 0);
        assert.deepEqual(await log.roomState(room), { head: 0, first: 1, bytes: 0 });
        assert.deepEqual(await log.lastOf(room, alice), { n: 0, hash: noHash });
        await log.append(batch(1, 1));
        assert.deepEqual(
          (await readAll(log, room)).map(({ last }) => last),
          [1],
        );
        assert.equal((await log.roomState(otherRoom))?.head, 2);
        assert.deepEqual(await log.lastOf(otherRoom, alice), lastOf(2));
      }));

    test('a room that is deleted and created at once begins anew', () =>
      inRoom(async (log) => {
        for (let seq = 1; seq <= 5; seq += 1) await log.append(batch(seq, seq));
        await Promise.all([log.deleteRoom(room), log.createRoom(room, 'anew', 600)]);
        assert.deepEqual(await log.roomState(room), { head: 0, first: 1, bytes: 0 });
        assert.deepEqual(await log.append(batch(1, 1)), stored);
        assert.deepEqual(
          (await readAll(log, room)).map(({ last }) => last),
          [1],
        );
      }));

    test('takes the time that it is, and pruning too', () =>
      inRoom(async (log) => {
        const now = Date.now();
        for (let seq = 1; seq <= 3; seq += 1) await log.append(batch(seq, seq, { time: now + seq }));
        await pruneAll(log, now + 3);
        assert.deepEqual(await log.roomState(room), { head: 3, first: 3, bytes: deliver(3).length });
      }));

    test('pruning deletes what is older, and says what is left', () =>
      inRoom(async (log) => {
        await log.append(batch(1, 2, { time: 1000 }));
        await log.append(batch(3, 4, { time: 2000 }));
        await pruneAll(log, 2000);
        assert.deepEqual(await log.roomState(room), { head: 4, first: 3, bytes: run(3, 4).length });
        assert.equal((await log.read(room, 0, 1e6))?.first, 3);
        await pruneAll(log, 9999);
        assert.deepEqual(await log.roomState(room), { head: 4, first: 5, bytes: 0 });
        await log.append(batch(5, 5));
        assert.equal((await log.read(room, 0, 1e6))?.first, 5);
        assert.deepEqual(await log.lastOf(room, alice), lastOf(5));
      }));

    test('pruning takes a prefix: a clock that was ahead or behind neither stops it nor makes a hole', () =>
      inRoom(async (log) => {
        await log.createRoom(otherRoom, '', 0);
        const times = [1000, 1_000_000, 1001, 2000, 1002, 5000];
        for (const [index, time] of times.entries()) await log.append(batch(index + 1, index + 1, { time }));
        await log.append(batch(1, 1, { time: 2_000_000, room: otherRoom }));
        await log.append(batch(2, 2, { time: 3000, room: otherRoom }));
        await pruneAll(log, 1002);
        assert.deepEqual(await log.roomState(room), { head: 6, first: 4, bytes: run(4, 6).length });
        assert.deepEqual(await log.roomState(otherRoom), { head: 2, first: 1, bytes: run(1, 2).length });
        await pruneAll(log, 1003);
        assert.deepEqual(await log.roomState(room), { head: 6, first: 6, bytes: run(6, 6).length });
        await pruneAll(log, 4000);
        assert.deepEqual(await log.roomState(otherRoom), { head: 2, first: 3, bytes: 0 });
        assert.deepEqual(
          (await readAll(log, room)).map(({ first, last }) => [first, last]),
          [[6, 6]],
        );
      }));

    test('rooms in which nothing was ever stored are forgotten in time, unless somebody is there', () =>
      inRoom(async (log) => {
        const watched = '77'.repeat(16);
        await log.createRoom(otherRoom, 'a', 900);
        await log.createRoom(watched, 'a', 100);
        await log.append(batch(1, 1, { time: 1000 }));
        const notes = new Notes();
        using _watch = log.watch(watched, 0, notes);
        await pruneAll(log, 2000, 900);
        assert.deepEqual(
          (await log.rooms('', 9)).map((summary) => summary.room),
          [room, watched, otherRoom],
        );
        await pruneAll(log, 2000, 901);
        assert.deepEqual(
          (await log.rooms('', 9)).map((summary) => summary.room),
          [room, watched],
        );
        assert.deepEqual(await log.roomState(room), { head: 1, first: 2, bytes: 0 });
        assert.deepEqual(await log.roomCounts('a'), { all: 2, ofCreator: 1 });
        await log.append(batch(1, 1, { room: watched }));
        assert.deepEqual(notes.places, [1]);
      }));

    test('close does what was asked before', async () => {
      const log = await open();
      for (const id of [room, otherRoom]) await log.createRoom(id, '', 0);
      const one = log.append(batch(1, 1));
      // Behind the turn in which the first transaction takes what there is.
      await new Promise((resolve) => setImmediate(resolve));
      const other = log.append(batch(1, 1, { room: otherRoom }));
      const closing = log.close();
      assert.deepEqual([await one, await other], [{ stored: true }, { stored: true }]);
      await closing;
    });

    test('after close everything is refused', async () => {
      const log = await open();
      await log.close();
      await log.close();
      const closed = { name: 'LogError', code: 'LOG_CLOSED', final: true };
      for (const ask of [
        () => log.createRoom(room, '', 0),
        () => log.append(batch(1, 1)),
        () => log.read(room, 0, 1),
        () => log.roomState(room),
        () => log.roomCounts(''),
        () => log.rooms('', 1),
        () => log.deleteRoom(room),
        () => log.lastOf(room, alice),
        () => log.prune(0, 0),
      ]) {
        await assert.rejects(ask, closed);
      }
    });
  });
}

async function pruneAll(log: MessageLog, before: number, emptyBefore = 0): Promise<void> {
  for (let steps = 0; await log.prune(before, emptyBefore); steps += 1) assert(steps < 1000, 'it ends');
}
