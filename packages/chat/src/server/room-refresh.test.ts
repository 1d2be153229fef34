import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { systemClock } from '../clock.ts';
import { LogError } from '../log/log-error.ts';
import { MemoryLog } from '../log/memory-log.ts';
import { Backlog } from './backlog.ts';
import { newCounters } from './counters.ts';
import { LogQuestions } from './log-questions.ts';
import { ReadBudget } from './read-budget.ts';
import { RoomTable } from './room-table.ts';
import type { SeatClient } from './seat.ts';
import { StorageSpace } from './storage-space.ts';
import { TailBytes } from './tail.ts';

test('a room whose state cannot be read keeps no other from knowing what was deleted', async () => {
  const ids = ['11', '22', '33'].map((pair) => pair.repeat(16));
  const asked: string[] = [];
  class Damaged extends MemoryLog {
    damaged = false;
    override async roomState(id: string) {
      asked.push(id);
      if (this.damaged && id === ids[0]) throw new LogError('LOG_DAMAGED', 'made to be');
      return await super.roomState(id);
    }
  }
  const log = new Damaged();
  const counters = newCounters();
  const parts = {
    log,
    clock: systemClock,
    counters,
    space: new StorageSpace(systemClock, pino({ level: 'silent' }), counters),
    backlog: new Backlog(),
    tails: new TailBytes(),
    reads: new ReadBudget(),
    questions: new LogQuestions(),
    limits: { maxFrameBytes: 1000, maxRoomBytes: 0 },
    presenceDelayMs: 1,
  };
  const rooms = new RoomTable(parts, (_room, error) => assert.fail(String(error)));
  const who = { member: 'aa'.repeat(32), memberBytes: new Uint8Array(32), version: 2 };
  const seats = [];
  for (const id of ids) {
    await log.createRoom(id, '', 0);
    const seat = rooms.enter(id, who, {} as SeatClient);
    await seat.join();
    seats.push(seat);
  }
  log.damaged = true;
  asked.length = 0;
  await assert.rejects(rooms.refresh(), { code: 'LOG_DAMAGED' });
  assert.deepEqual(asked, ids);
  for (const seat of seats) seat.leave();
  assert.equal(rooms.size, 0);
});
