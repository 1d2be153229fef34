import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { LogError } from '../log/log-error.ts';
import { MemoryLog } from '../log/memory-log.ts';
import { RoomCreation } from './room-creation.ts';
import { ManualClock } from './server.testing.ts';

const HOUR = 3600 * 1000;
const idOf = (number: number) => number.toString(16).padStart(32, '0');
const unlimited = { maxRooms: 0, maxRoomsPerAddress: 0, roomsPerHour: 0 };

describe('making rooms', () => {
  test('is bounded in all, for each network, and in each hour', async () => {
    const clock = new ManualClock();
    const log = new MemoryLog();
    const rooms = new RoomCreation(log, clock, { maxRooms: 6, maxRoomsPerAddress: 4, roomsPerHour: 3 });
    const make = (number: number, network: string) => rooms.create(idOf(number), network);
    const refused = (text: RegExp) => ({ name: 'ProtocolError', code: 'TOO_MANY_ROOMS', message: text });
    for (const number of [1, 2, 3]) assert.equal(await make(number, 'a'), true);
    await assert.rejects(make(4, 'a'), refused(/within an hour/));
    assert.equal(await make(4, 'b'), true);
    clock.advance(HOUR);
    assert.equal(await make(5, 'a'), true);
    await assert.rejects(make(6, 'a'), refused(/made from your address, as many/));
    assert.equal(await make(6, 'b'), true);
    await assert.rejects(make(7, 'c'), refused(/keeps 6 rooms/));
    assert.equal(await make(1, 'c'), false, 'one that is there is no new one');
    await log.deleteRoom(idOf(1));
    assert.equal(await make(7, 'a'), true);
    const [seventh] = await log.rooms(idOf(6), 1);
    assert.deepEqual([seventh?.creator, seventh?.createdAt], ['a', clock.now()]);
  });

  test('keeps to its limits also when many ask at once', async () => {
    const networks = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(
        networks,
        fc.integer({ min: 1, max: 10 }),
        fc.integer({ min: 1, max: 5 }),
        async (all, most, each) => {
          const log = new MemoryLog();
          const limits = { maxRooms: most, maxRoomsPerAddress: each, roomsPerHour: 0 };
          const rooms = new RoomCreation(log, new ManualClock(), limits);
          const results = await Promise.allSettled(
            all.map((network, index) => rooms.create(idOf(index), network)),
          );
          for (const network of ['a', 'b', 'c']) assert((await log.roomCounts(network)).ofCreator <= each);
          const made = results.filter(({ status }) => status === 'fulfilled').length;
          assert.equal((await log.roomCounts('')).all, made);
          assert(made <= most);
          const possible = ['a', 'b', 'c'].map((network) =>
            Math.min(each, all.filter((one) => one === network).length),
          );
          assert.equal(made, Math.min(most, possible[0]! + possible[1]! + possible[2]!));
        },
      ),
      { numRuns: 50 },
    );
  });

  test('that fails says why, counts nothing, and holds up nobody', async () => {
    class FullLog extends MemoryLog {
      full = true;
      override async createRoom(room: string, creator: string, now: number): Promise<void> {
        if (this.full) throw new LogError('LOG_FULL', 'made to fail');
        await super.createRoom(room, creator, now);
      }
    }
    const log = new FullLog();
    const rooms = new RoomCreation(log, new ManualClock(), { ...unlimited, roomsPerHour: 1 });
    const both = [rooms.create(idOf(1), 'a'), rooms.create(idOf(2), 'a')];
    for (const failed of await Promise.allSettled(both)) {
      assert.equal((failed as PromiseRejectedResult).reason.code, 'STORAGE_FULL');
    }
    log.full = false;
    assert.equal(await rooms.create(idOf(1), 'a'), true);
  });
});
