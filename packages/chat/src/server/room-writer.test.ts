import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../clock.ts';
import { LogError } from '../log/log-error.ts';
import { MemoryLog } from '../log/memory-log.ts';
import type { Appended } from '../log/message-log.ts';
import { Backlog } from './backlog.ts';
import { newCounters } from './counters.ts';
import type { Sender } from './message-batch.ts';
import { RoomWriter, type RoomWriterEvents } from './room-writer.ts';
import { until } from './server.testing.ts';

const room = '00'.repeat(16);
const sender: Sender = { member: 'aa'.repeat(32), memberBytes: new Uint8Array(32), wantsHashes: false };

/** A writer whose log is full as long as it is told to be. */
async function writing(events: Partial<RoomWriterEvents<Sender>>) {
  const state = { full: true };
  class Log extends MemoryLog {
    override async append(...args: Parameters<MemoryLog['append']>): Promise<Appended> {
      if (state.full) throw new LogError('LOG_FULL', 'full');
      return await super.append(...args);
    }
  }
  const log = new Log();
  await log.createRoom(room, '', 0);
  class Counted extends Backlog {
    bytes = 0;
    override take(bytes: number): void {
      this.bytes += bytes;
      super.take(bytes);
    }
    override giveBack(bytes: number): void {
      this.bytes -= bytes;
      super.giveBack(bytes);
    }
  }
  const backlog = new Counted();
  const failed: unknown[] = [];
  const parts = { log, clock: systemClock, counters: newCounters(), backlog };
  const writer = new RoomWriter<Sender>(room, 0, parts, {
    stored: () => undefined,
    give: () => undefined,
    full: () => undefined,
    over: () => undefined,
    moved: () => undefined,
    failed: (error) => failed.push(error),
    has: () => false,
    ...events,
  });
  return { writer, backlog, failed, state };
}

test('what is published again when the log was full counts until it is stored', async () => {
  let again = true;
  const { writer, backlog, state } = await writing({
    give: () => {
      if (!again) return;
      again = false;
      state.full = false;
      writer.accept(sender, 1, new Uint8Array(100_000));
      assert(backlog.bytes > 100_000);
    },
  });
  writer.accept(sender, 1, new Uint8Array(1000));
  await until(() => !again);
  assert(backlog.bytes > 100_000, `${backlog.bytes} bytes count, and 100,000 wait`);
  await until(() => writer.idle && backlog.bytes === 0);
});

test('what fails in telling the clients of a room is the end of the room, and of nothing else', async () => {
  for (const event of ['stored', 'give', 'full'] as const) {
    const { writer, failed, state, backlog } = await writing({
      [event]: () => {
        throw new Error(`${event} failed`);
      },
    });
    state.full = event === 'full';
    writer.accept(sender, 1, new Uint8Array(10));
    await until(() => failed.length > 0);
    assert.match(String(failed[0]), new RegExp(event));
    await until(() => backlog.bytes === 0);
  }
});
