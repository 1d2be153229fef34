/** What the operator hears of a storage that is full: that it is, and that it no longer is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { newKeyPair, text } from './raw-client.testing.ts';
import { GatedLog, live, ManualClock, startServer, until } from './server.testing.ts';

const SECOND = 1000;

test('a full storage is told once, and once that it has space again', async () => {
  const lines: { level: number; msg: string; refused?: number }[] = [];
  const logger = pino({ level: 'info' }, { write: (line: string) => lines.push(JSON.parse(line)) });
  const told = (about: RegExp) => lines.filter(({ msg }) => about.test(msg));
  const clock = new ManualClock();
  const log = new GatedLog();
  await using server = await startServer({}, { log, logger, clock });
  const seconds = (count: number) => {
    for (let i = 0; i < count; i += 1) clock.advance(SECOND);
  };
  const client = await live(server, newKeyPair());
  log.failing = 'LOG_FULL';
  for (const word of ['one', 'two', 'three']) {
    client.send({ type: 'publish', n: 1, envelope: text(word) });
    assert.equal((await client.next('error')).code, 12);
  }
  assert.deepEqual(
    told(/storage is full/).map(({ level }) => level),
    [40],
  );
  assert.deepEqual([server.counters.noSpace, server.counters.full], [3, 1]);

  // That time has passed says nothing, and that one was stored says little.
  seconds(70);
  assert.equal(server.counters.full, 1);
  log.failing = undefined;
  client.send({ type: 'publish', n: 1, envelope: text('fits') });
  await client.next('ack');
  log.failing = 'LOG_FULL';
  client.send({ type: 'publish', n: 2, envelope: text('does not') });
  await client.next('error');
  log.failing = undefined;
  client.send({ type: 'publish', n: 2, envelope: text('fits') });
  await client.next('ack');
  seconds(30);
  assert.deepEqual(told(/has space again/), []);
  seconds(31);
  await until(() => server.counters.full === 0);
  assert.deepEqual(
    told(/has space again/).map(({ level, refused }) => [level, refused]),
    [[30, 4]],
  );
  assert.equal(told(/storage is full/).length, 1);
  await client.close();
});
