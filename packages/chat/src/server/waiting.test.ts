/** Every state that waits has an end, also where the log fails, is full, or never answers. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ChatServer } from './chat-server.ts';
import { newKeyPair, RawClient, text } from './raw-client.testing.ts';
import { addressOf, GatedLog, live, ManualClock, startServer, until } from './server.testing.ts';
import type { ServerSettingsInput } from './settings.ts';

const room = newKeyPair();

/** A server whose clock stands until it is turned, and is turned while it closes. */
async function timed(settings: ServerSettingsInput = {}) {
  const clock = new ManualClock();
  const log = new GatedLog();
  const server = await startServer({ closeTimeoutMs: 3000, ...settings }, { clock, log });
  return {
    clock,
    log,
    server,
    async [Symbol.asyncDispose]() {
      await closed(server, clock);
    },
  };
}

/** Closes a server, turning its clock. Returns how long that took by it. */
async function closed(server: ChatServer, clock: ManualClock): Promise<number> {
  const begin = clock.monotonic();
  let over = false;
  const closing = server.close().finally(() => {
    over = true;
  });
  while (!over) {
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(100);
  }
  await closing;
  return clock.monotonic() - begin;
}

/** Turns the clock second by second. */
const wait = (clock: ManualClock, ms: number) => {
  for (let passed = 0; passed < ms; passed += 1000) clock.advance(1000);
};

describe('a log that never answers', () => {
  for (const question of ['roomState', 'lastOf'] as const) {
    test(`a JOIN (${question}) ends with the hello time-out`, async () => {
      await using setup = await timed();
      const { server, clock, log } = setup;
      await using creator = await live(server, room);
      log.silent.add(question);
      await using client = await RawClient.connect(addressOf(server));
      const asked = log.asked[question];
      client.sendJoin(question === 'roomState' ? newKeyPair() : room, newKeyPair());
      await until(() => log.asked[question] > asked);
      wait(clock, 11_000);
      assert.equal(await client.fatalError(), 'SERVER_FAILURE');
      creator.send({ type: 'ping', token: 1 });
      await creator.next('pong');
      assert.equal(server.counters.openRooms, 1);
    });
  }

  test('a CREATE ends with the hello time-out, and so do those behind it', async () => {
    await using setup = await timed();
    const { server, clock, log } = setup;
    log.silent.add('createRoom');
    await using first = await RawClient.connect(addressOf(server));
    await using second = await RawClient.connect(addressOf(server));
    const { bytesIn } = server.counters;
    first.create(room);
    second.create(newKeyPair());
    await until(() => log.asked.createRoom === 1 && server.counters.bytesIn === bytesIn + 2 * 103);
    wait(clock, 11_000);
    for (const client of [first, second]) assert.equal(await client.fatalError(), 'SERVER_FAILURE');
  });

  test('what waits to be stored, and what waits for that, ends with its room', async () => {
    await using setup = await timed({ idleTimeoutMs: 3_600_000 });
    const { server, clock, log } = setup;
    const member = newKeyPair();
    await using other = await live(server, newKeyPair());
    await using a = await live(server, room, member);
    await using b = await live(server, room);
    log.silent.add('append');
    a.publish(text('m'));
    await until(() => log.asked.append === 1);
    // A repetition that waits for its first, behind which nothing is read.
    const { bytesIn } = server.counters;
    a.send({ type: 'publish', n: 1, envelope: text('m') }, { type: 'ping', token: 1 });
    await until(() => server.counters.bytesIn > bytesIn);
    log.silent.clear();
    wait(clock, 61_000);
    for (const client of [a, b]) assert.equal(await client.fatalError(), 'SERVER_FAILURE');
    // Nobody else is touched, and the room goes on, from the log.
    await using again = await live(server, room, member);
    for (const client of [other, again]) {
      client.publish(text('m'));
      assert.equal((await client.next('ack')).seq, 1);
    }
  });

  test('who joined behind a message of its older connection is not kept waiting', async () => {
    await using setup = await timed();
    const { server, clock, log } = setup;
    const member = newKeyPair();
    await using a = await live(server, room, member);
    log.silent.add('append');
    a.publish(text('m'));
    await until(() => log.asked.append === 1);
    await using again = await RawClient.connect(addressOf(server));
    again.sendJoin(room, member);
    assert.equal(await a.fatalError(), 'REPLACED');
    wait(clock, 11_000);
    assert.equal(await again.fatalError(), 'SERVER_FAILURE');
  });

  test('reading for a client that catches up ends', async () => {
    await using setup = await timed({ idleTimeoutMs: 3_600_000 });
    const { server, clock, log } = setup;
    await using a = await live(server, room);
    a.publish(text('m'));
    await a.next('ack');
    log.silent.add('read');
    await using b = await RawClient.connect(addressOf(server));
    await b.join(room, newKeyPair());
    wait(clock, 61_000);
    assert.equal(await b.fatalError(), 'SERVER_FAILURE');
    a.send({ type: 'ping', token: 1 });
    await a.next('pong');
  });

  test('publishers that are held up for others’ messages go on when those are given up', async () => {
    await using setup = await timed({ idleTimeoutMs: 3_600_000, bytesPerSecond: 0, framesPerSecond: 0 });
    const { server, clock, log } = setup;
    await using a = await live(server, room);
    await using b = await live(server, newKeyPair());
    log.silent.add('append');
    // As much as may wait of all rooms.
    for (let count = 0; count < 45; count += 1) a.publish(new Uint8Array(200_000));
    await until(() => server.counters.bytesIn > 8 * 1024 * 1024);
    b.publish(text('m'));
    await until(() => server.counters.bytesIn > 8 * 1024 * 1024 + 20);
    log.silent.clear();
    wait(clock, 61_000);
    assert.equal(await a.fatalError(), 'SERVER_FAILURE');
    assert.equal((await b.next('ack')).seq, 1);
  });
});

describe('stopping', () => {
  test('with a disk that hangs takes three close time-outs at most', async () => {
    const { server, clock, log } = await timed();
    await using a = await live(server, room);
    log.silent.add('append').add('close');
    a.publish(text('m'));
    await until(() => log.asked.append === 1);
    const time = closed(server, clock);
    await a.next('drain');
    assert.equal(await a.nextOfAny(), undefined);
    assert((await time) <= 10_000);
  });

  test('with a disk that is full waits for nothing', async () => {
    const { server, clock, log } = await timed();
    await using a = await live(server, room);
    await using b = await live(server, room);
    log.hold();
    log.failing = 'LOG_FULL';
    a.publish(text('one'));
    await until(() => log.waiting === 1);
    a.publish(text('two'));
    a.send({ type: 'ping', token: 1 });
    await a.next('pong');
    const time = closed(server, clock);
    log.release();
    assert.equal(await a.error(), 'STORAGE_FULL');
    for (const client of [a, b]) await client.next('drain');
    await time;
  });

  test('tells the clients to come back within a time that grows with their number', async () => {
    const spreadOf = async (count: number): Promise<number> => {
      const server = await startServer();
      const clients = await Promise.all(
        Array.from({ length: count }, () => live(server, newKeyPair(), newKeyPair(), 2)),
      );
      const closing = server.close();
      const drains = await Promise.all(clients.map((client) => client.next('drain')));
      await Promise.all(clients.map((client) => client.close()));
      await closing;
      return drains[0]!.spread!;
    };
    const [few, many] = [await spreadOf(1), await spreadOf(41)];
    assert.equal(many - few, 80);
  });
});
