import assert from 'node:assert/strict';
import { duplexPair } from 'node:stream';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { encodeFrame, maxEnvelope } from '../protocol/frames.ts';
import type { ChatServer } from './chat-server.ts';
import { ConnectionLimits, networkOf } from './connection-limits.ts';
import { newKeyPair, RawClient, text } from './raw-client.testing.ts';
import { addressOf, GatedLog, joined, live, ManualClock, startServer, until } from './server.testing.ts';
import { serverSettings } from './settings.ts';
import { TokenBucket } from './token-bucket.ts';

const room = newKeyPair();

describe('time-outs', () => {
  /** A server with its clock; the clock goes on by itself when the server is closed. */
  async function timed() {
    const clock = new ManualClock();
    const server = await startServer(
      { helloTimeoutMs: 10_000, idleTimeoutMs: 90_000, writeTimeoutMs: 60_000, bytesPerSecond: 0 },
      { clock },
    );
    return {
      clock,
      server,
      async [Symbol.asyncDispose]() {
        const closed = server.close();
        for (const step of [1, 2, 3]) {
          await new Promise((resolve) => setTimeout(resolve, step));
          clock.advance(1000);
        }
        await closed;
      },
    };
  }
  const wait = async (clock: ManualClock, ms: number) => {
    for (let passed = 0; passed < ms; passed += 1000) clock.advance(1000);
  };

  test('a connection that says nothing is closed, and one that has joined is not', async () => {
    await using setup = await timed();
    const { server, clock } = setup;
    await using silent = await RawClient.connect(addressOf(server));
    await using good = await live(server, room);
    await wait(clock, 11_000);
    assert.equal(await silent.fatalError(), 'IDLE');
    good.publish(text('m'));
    await good.next('ack');
  });

  test('a frame that is begun must be finished, however busily the client says other things before', async () => {
    await using setup = await timed();
    const { server, clock } = setup;
    await using slow = await live(server, room);
    await using good = await live(server, room);
    const frame = encodeFrame({ type: 'publish', n: 1, envelope: new Uint8Array(100) });
    for (let at = 0; server.counters.errors === 0; at += 1) {
      const before = server.counters.bytesIn;
      slow.stream.write(frame.subarray(at, at + 1));
      await until(() => server.counters.bytesIn > before);
      clock.advance(1000);
      assert(at < 12);
      if (at === 5) {
        good.publish(text('m'));
        await good.next('ack');
      }
    }
    await slow.next('deliver');
    assert.equal(await slow.fatalError(), 'IDLE');
  });

  test('a client that is silent is asked, and closed if it does not answer', async () => {
    await using setup = await timed();
    const { server, clock } = setup;
    await using dead = await live(server, room);
    await using alive = await live(server, room);
    await wait(clock, 31_000);
    const { token } = await alive.next('ping');
    alive.send({ type: 'pong', token });
    await dead.next('ping');
    alive.send({ type: 'ping', token: 5 });
    await alive.next('pong');
    await wait(clock, 60_000);
    assert.equal(await dead.fatalError(), 'IDLE');
    alive.send({ type: 'ping', token: 6 });
    await alive.next('pong');
  });

  test('a client that takes nothing is closed, and holds up nobody', async () => {
    await using setup = await timed();
    const { server, clock } = setup;
    await using stuck = await live(server, room);
    await using good = await live(server, room);
    await using other = await live(server, room);
    stuck.stream.pause();
    // More than the system's buffers of one connection hold.
    for (let n = 1; n <= 120; n += 1) {
      good.publish(new Uint8Array(200_000));
      await Promise.all([good.next('ack'), other.next('deliver')]);
    }
    assert.equal(server.counters.connections, 3);
    // A minute for each 64 KiB that were written at once.
    for (let minute = 0; minute < 4; minute += 1) {
      await wait(clock, 60_000);
      for (const client of [good, other]) {
        client.send({ type: 'ping', token: minute });
        await client.next('pong');
      }
    }
    await wait(clock, 2000);
    await until(() => server.counters.connections < 3);
    good.publish(text('m'));
    await Promise.all([good.next('ack'), other.next('deliver')]);
  });

  /** A client on a stream without a system's buffers, that takes nothing unless its stream is read by hand. */
  async function byHand(server: ChatServer): Promise<RawClient> {
    const [here, there] = duplexPair({ highWaterMark: 1024 });
    server.accept(there, '192.0.2.1');
    const client = new RawClient(here);
    await client.welcomed();
    client.sendJoin(room, newKeyPair());
    await client.next('joined');
    here.pause();
    return client;
  }

  test('a client that takes its messages slowly is not closed, one that takes none is', async () => {
    await using setup = await timed();
    const { server, clock } = setup;
    await using good = await live(server, room);
    const total = 30;
    for (let n = 1; n <= total; n += 1) {
      good.publish(new Uint8Array(50_000).fill(n));
      await good.next('ack');
    }
    await using slow = await byHand(server);
    await using _stuck = await byHand(server);
    const next = slow.deliveries(total);
    let read = false;
    void next.then(() => {
      read = true;
    });
    // Something in every 40 seconds; it has 60 for each 64 KiB.
    for (let count = 0; !read; count += 1) {
      assert(count < 100 && !slow.stream.destroyed, 'it was closed');
      await wait(clock, 40_000);
      good.send({ type: 'ping', token: count });
      await good.next('pong');
      slow.stream.read();
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.deepEqual(
      (await next).map(({ seq }) => seq),
      Array.from({ length: total }, (_, index) => index + 1),
    );
    assert.equal(server.counters.connections, 2);
    slow.stream.resume();
    await slow.next('live');
  });
});

describe('sizes and rates', () => {
  test('a frame, and an envelope, may be as large as the settings say', async () => {
    await using server = await startServer({ maxFrameBytes: 2048 });
    await using a = await live(server, room);
    await using b = await live(server, room);
    a.publish(new Uint8Array(maxEnvelope(2048)));
    assert.equal((await b.next('deliver')).envelope.length, maxEnvelope(2048));
    await a.next('ack');
    a.publish(new Uint8Array(maxEnvelope(2048) + 1));
    assert.equal(await a.fatalError(), 'FRAME_TOO_LARGE');
    b.publish(new Uint8Array(2048));
    assert.equal(await b.fatalError(), 'FRAME_TOO_LARGE');
  });

  test('who sends too fast is read more slowly, and loses nothing', async () => {
    const clock = new ManualClock();
    const log = new GatedLog();
    const server = await startServer({ framesPerSecond: 10, framesBurst: 20 }, { clock, log });
    await using a = await joined(server, room);
    await a.next('live');
    for (let count = 0; count < 60; count += 1) a.publish(text('m'));
    let acked = 0;
    while (acked < 15) acked = (await a.next('ack')).n;
    assert(server.counters.messagesIn < 25, `${server.counters.messagesIn}`);
    while (acked < 60) {
      clock.advance(500);
      await new Promise((resolve) => setImmediate(resolve));
      if (server.counters.messagesIn > acked) acked = (await a.next('ack')).n;
    }
    assert(clock.now() - 1_000_000 >= 3000);
    await a.close();
    await server.close();
  });

  test('a token bucket never gives more than its rate and its burst', () => {
    const steps = fc.array(fc.tuple(fc.nat(500), fc.nat(50)), { maxLength: 50 });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.integer({ min: 1, max: 100 }),
        steps,
        (rate, burst, all) => {
          const clock = new ManualClock();
          const bucket = new TokenBucket(clock, rate, burst);
          let taken = 0;
          let largest = 0;
          for (const [ms, tokens] of all) {
            clock.advance(ms);
            if (bucket.delay() > 0) continue;
            bucket.take(tokens);
            taken += tokens;
            largest = Math.max(largest, tokens);
          }
          assert(taken <= burst + largest + ((clock.now() - 1_000_000) / 1000) * rate + 1e-6);
          clock.advance(bucket.delay());
          assert.equal(bucket.delay(), 0);
        },
      ),
    );
  });
});

describe('how many', () => {
  test('connections, in total and of one address', async () => {
    await using server = await startServer({ maxConnections: 3, maxConnectionsPerAddress: 2 });
    await using first = await live(server, room);
    const second = await live(server, room);
    const refused = new RawClient((await import('node:net')).connect(addressOf(server)));
    assert.equal(await refused.fatalError(), 'TOO_MANY_CONNECTIONS');
    assert.equal(server.counters.refused, 1);
    await second.close();
    await until(() => server.counters.connections === 1);
    await using third = await live(server, room);
    third.publish(text('m'));
    await first.next('deliver');
  });

  test('places are counted by network and given back', () => {
    const limits = new ConnectionLimits(2, 1);
    const [network] = ['10.0.0.1', '::ffff:10.0.0.1'].map(networkOf);
    assert.equal(limits.enterNetwork(network!), undefined);
    assert.match(limits.enterNetwork(network!) ?? '', /your address/);
    assert.equal(limits.enterNetwork('10.0.0.2'), undefined);
    limits.leaveNetwork(network!);
    assert.equal(limits.enterNetwork(network!), undefined);
    assert.deepEqual([limits.enter(), limits.enter()], [undefined, undefined]);
    assert.match(limits.enter() ?? '', /This server has 2/);
    limits.leave();
    assert.equal(limits.enter(), undefined);
  });

  test('an IPv6 site is one network', () => {
    assert.equal(networkOf('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2');
    assert.equal(networkOf('2001:db8:1:2::7'), networkOf('2001:db8:1:2:ffff::'));
    assert.notEqual(networkOf('2001:db8:1:3::7'), networkOf('2001:db8:1:2::7'));
    assert.equal(networkOf('::1'), '0:0:0:0');
    assert.equal(networkOf('2001:db8::1'), '2001:db8:0:0');
    assert.equal(networkOf('fe80::1%eth0'), 'fe80:0:0:0');
    for (const one of ['::ffff:192.0.2.1', '::FFFF:c000:201', '0:0:0:0:0:ffff:192.0.2.1', '192.0.2.1']) {
      assert.equal(networkOf(one), '192.0.2.1');
    }
    assert.equal(networkOf('2001:0DB8:0001::1'), networkOf('2001:db8:1:0:8::'));
    assert.deepEqual([networkOf(undefined), networkOf('nowhere')], ['unknown', 'unknown']);
  });

  test('rooms', async () => {
    await using server = await startServer({ maxRooms: 1 });
    await using a = await live(server, room);
    await using b = await RawClient.connect(addressOf(server));
    b.create(newKeyPair());
    assert.equal(await b.fatalError(), 'TOO_MANY_ROOMS');
    await using c = await live(server, room);
    c.publish(text('m'));
    await a.next('deliver');
  });
});

describe('rooms', () => {
  test('that one address makes are bounded, in number and rate; those that are there are entered all the same', async () => {
    for (const setting of ['maxRoomsPerAddress', 'roomsPerHour']) {
      await using server = await startServer({ [setting]: 1 });
      await using a = await live(server, room);
      await using b = await RawClient.connect(addressOf(server));
      b.create(newKeyPair());
      assert.equal(await b.fatalError(), 'TOO_MANY_ROOMS');
      await using c = await live(server, room);
      c.publish(text('m'));
      await a.next('deliver');
    }
  });

  test('in which nothing was ever said are forgotten in time, others are not', async () => {
    const clock = new ManualClock();
    const server = await startServer({ emptyRoomDays: 2, retentionDays: 0 }, { clock });
    const silent = newKeyPair();
    const spoken = await live(server, room);
    spoken.publish(text('m'));
    await spoken.next('ack');
    const quiet = await live(server, silent);
    await Promise.all([spoken.close(), quiet.close()]);
    await until(() => server.counters.connections === 0);
    clock.advance(24 * 3600 * 1000);
    const stillThere = await RawClient.connect(addressOf(server));
    await stillThere.join(silent, newKeyPair());
    await stillThere.close();
    clock.advance(24 * 3600 * 1000);
    // One round at a time: the next begins when that of the first minute has ended.
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(60_000);
    await new Promise((resolve) => setImmediate(resolve));
    await using gone = await RawClient.connect(addressOf(server));
    gone.sendJoin(silent, newKeyPair());
    assert.equal(await gone.fatalError(), 'NO_SUCH_ROOM');
    await using there = await RawClient.connect(addressOf(server));
    assert.equal((await there.join(room, newKeyPair())).head, 1);
    await there.close();
    await server.close();
  });
});

describe('storage', () => {
  test('when the log is full publishers are told, reading goes on, and what was refused can be sent again', async () => {
    const log = new GatedLog();
    await using server = await startServer({}, { log });
    await using a = await live(server, room);
    a.publish(text('kept'));
    await a.next('ack');
    log.failing = 'LOG_FULL';
    a.publish(text('refused'), text('under way'), text('under way'));
    assert.equal(await a.error(), 'STORAGE_FULL');
    a.send({ type: 'publish', n: 5, envelope: text('under way still') }, { type: 'ping', token: 1 });
    await a.next('pong');
    await using reader = await joined(server, room);
    await reader.deliveries(1);
    await reader.next('live');
    a.send({ type: 'publish', n: 2, envelope: text('still no room') });
    assert.equal(await a.error(), 'STORAGE_FULL');
    log.failing = undefined;
    a.send({ type: 'publish', n: 2, envelope: text('there is room') });
    a.send({ type: 'publish', n: 3, envelope: text('again') });
    assert.equal((await a.next('ack')).seq, 2);
    assert.equal((await a.next('ack')).seq, 3);
    assert.equal(Buffer.from((await reader.deliveries(1))[0]!.envelope).toString(), 'there is room');
  });

  test('a room has a limit of its own', async () => {
    await using server = await startServer({ maxRoomBytes: 1000 });
    await using a = await live(server, room);
    await using b = await live(server, newKeyPair());
    a.publish(new Uint8Array(500));
    await a.next('ack');
    a.publish(new Uint8Array(500));
    assert.equal(await a.error(), 'STORAGE_FULL');
    b.publish(new Uint8Array(500));
    await b.next('ack');
  });

  test('any other failure of the log ends its room, and only that', async () => {
    const log = new GatedLog();
    await using server = await startServer({}, { log, onFailure: (error) => assert.fail(`${error}`) });
    await using a = await live(server, room);
    await using b = await live(server, room);
    await using other = await live(server, newKeyPair());
    log.failing = 'LOG_FAILED';
    a.publish(text('m'));
    for (const client of [a, b]) assert.equal(await client.fatalError(), 'SERVER_FAILURE');
    log.failing = undefined;
    other.publish(text('m'));
    assert.equal((await other.next('ack')).seq, 1);
    await using again = await live(server, room);
    again.publish(text('m'));
    assert.equal((await again.next('ack')).seq, 1);
  });

  test('old messages are deleted if the settings say so', async () => {
    const clock = new ManualClock();
    const server = await startServer({ retentionDays: 1 }, { clock });
    await using a = await live(server, room);
    a.publish(text('old'));
    await a.next('ack');
    clock.advance(23 * 3600 * 1000);
    await using b = await joined(server, room, newKeyPair(), 1);
    b.publish(text('new'));
    await b.next('live');
    await b.next('ack');
    clock.advance(2 * 3600 * 1000);
    // The last round of that began long ago by the clock; the next one looks at the time anew.
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(60_000);
    await using c = await RawClient.connect(addressOf(server));
    const { head, first } = await c.join(room, newKeyPair());
    assert.deepEqual({ head, first }, { head: 2, first: 2 });
    assert.equal((await c.next('deliver')).seq, 2);
    await Promise.all([a.close(), b.close(), c.close()]);
    await server.close();
  });
});

describe('settings', () => {
  test('let one address fill less than half of the storage, unless they are changed', () => {
    const { maxRoomBytes, maxRoomsPerAddress, maxStorageBytes } = serverSettings({});
    assert(maxRoomBytes * maxRoomsPerAddress < maxStorageBytes / 2);
  });

  test('have defaults, and what is wrong is named', () => {
    assert.deepEqual(serverSettings({}).tcp, [{ host: '127.0.0.1', port: 7000 }]);
    const wrong = (input: object, path: RegExp) =>
      assert.throws(() => serverSettings(input), { code: 'SERVER_INVALID_SETTING', message: path });
    wrong({ maxFrameBytes: 10 }, /maxFrameBytes/);
    wrong({ tcp: [{ host: 'a', port: 70_000 }] }, /tcp\.0\.port/);
    wrong({ durability: 'none' }, /durability/);
    wrong({ maxRoms: 1 }, /maxRoms/);
  });
});
