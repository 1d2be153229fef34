/** A log that answers nothing for longer than a room waits for it, and then goes on: what was asked of it is done after all. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newKeyPair, type RawClient, text } from './raw-client.testing.ts';
import { GatedLog, joined, live, ManualClock, startServer, until } from './server.testing.ts';

/** All that is in a room, for one who comes late. */
async function historyOf(client: RawClient): Promise<string[]> {
  const seen: string[] = [];
  for (;;) {
    const frame = await client.nextOfAny();
    assert(frame !== undefined);
    if (frame.type === 'live') return seen;
    if (frame.type === 'deliver') seen.push(`${frame.seq}: ${frame.n} ${Buffer.from(frame.envelope)}`);
  }
}

for (const leaves of [true, false]) {
  test(`what was sent again meanwhile is stored once, though its sender ${leaves ? 'left' : 'stayed'}`, async () => {
    const log = new GatedLog();
    const clock = new ManualClock();
    await using server = await startServer({ idleTimeoutMs: 3_600_000 }, { log, clock });
    const [room, member] = [newKeyPair(), newKeyPair()];
    const first = await live(server, room, member);
    log.hold();
    first.publish(text('one'), text('two'), text('three'));
    await until(() => log.waiting === 1);
    clock.advance(61_000);
    assert.equal(await first.error(), 'SERVER_FAILURE');
    await first.close();
    const again = await joined(server, room, member);
    assert.equal(again.n, 0);
    again.publish(text('one'));
    await until(() => log.waiting === 2);
    // These wait behind it: nothing of them has been asked of the log.
    const { bytesIn } = server.counters;
    again.publish(text('two'), text('three'), text('four'));
    await until(() => server.counters.bytesIn > bytesIn);
    if (leaves) {
      await again.close();
      await until(() => server.counters.connections === 0);
    }
    log.release();
    await until(() => log.appended.at(-1)?.last === 4 && log.waiting === 0);
    await until(() => server.counters.openRooms === (leaves ? 0 : 1));
    await using reader = await joined(server, room);
    assert.deepEqual(await historyOf(reader), ['1: 1 one', '2: 2 two', '3: 3 three', '4: 4 four']);
    if (!leaves) await again.close();
  });
}
