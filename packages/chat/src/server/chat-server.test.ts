import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { SqliteLog } from '../log/sqlite-log.ts';
import { roomIdOf } from './access.ts';
import { type KeyPair, newKeyPair, RawClient, text } from './raw-client.testing.ts';
import { addressOf, GatedLog, joined, live, startServer, until } from './server.testing.ts';

const room = newKeyPair();
const string = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

describe('messages', () => {
  test('go to everybody in one order, with ACKs in the place of one’s own', async () => {
    await using server = await startServer();
    await using a = await live(server, room);
    await using b = await live(server, room);
    await using c = await live(server, room);
    for (let count = 0; count < 50; count += 1) {
      a.publish(text(`a${count}`));
      b.publish(text(`b${count}`), text(`b${count}+`));
    }
    const stream = async (client: RawClient) => {
      const seen: string[] = [];
      while (seen.length < 150) {
        const frame = await client.nextOfAny();
        if (frame?.type === 'deliver') seen.push(`${frame.seq} ${string(frame.envelope)}`);
        else if (frame?.type === 'ack') seen.push(`${frame.seq} own ${frame.n}`);
        else assert(frame?.type === 'presence' || frame?.type === 'present', `${frame?.type}`);
      }
      return seen;
    };
    const [seenByA, seenByB, seenByC] = await Promise.all([stream(a), stream(b), stream(c)]);
    seenByC.forEach((line, index) => {
      const seq = index + 1;
      assert(line.startsWith(`${seq} `));
      const own = line.includes('a') ? seenByA[index] : seenByB[index];
      const others = line.includes('a') ? seenByB[index] : seenByA[index];
      assert.equal(others, line);
      assert.match(own!, new RegExp(`^${seq} own \\d+$`));
    });
  });

  test('carry sender, number and the server’s time', async () => {
    await using server = await startServer();
    const member = newKeyPair();
    await using a = await live(server, room, member);
    await using b = await live(server, room);
    const before = Date.now();
    a.publish(text('one'), text('two'));
    const [one, two] = await b.deliveries(2);
    assert.deepEqual([one?.n, one?.seq, two?.n, two?.seq], [1, 1, 2, 2]);
    assert.deepEqual(Buffer.from(one!.member), Buffer.from(member.publicKey));
    assert(one!.time >= before && one!.time <= Date.now());
    assert.equal((await a.next('ack')).time, one!.time);
  });

  test('stay in their room', async () => {
    await using server = await startServer();
    await using a = await live(server, room);
    await using b = await live(server, newKeyPair());
    a.publish(text('for the first room'));
    await a.next('ack');
    b.publish(text('for the second'));
    assert.equal((await b.next('ack')).seq, 1);
  });

  test('are acknowledged, and passed on, when they are stored and not before', async () => {
    const log = new GatedLog();
    await using server = await startServer({}, { log });
    await using a = await live(server, room);
    await using b = await live(server, room);
    log.hold();
    a.publish(text('m'));
    await until(() => log.waiting === 1);
    // What is sent to both after this point comes to both; nothing came before it.
    for (const client of [a, b]) {
      client.send({ type: 'ping', token: 1 });
      await client.next('pong');
    }
    log.release();
    await a.next('ack');
    await b.next('deliver');
    assert.equal(log.appended.length, 1);
  });

  test('that come while the log works are stored together', async () => {
    const log = new GatedLog();
    await using server = await startServer({}, { log });
    await using a = await live(server, room);
    log.hold();
    a.publish(text('first'));
    await until(() => log.waiting === 1);
    for (let count = 0; count < 20; count += 1) a.publish(text('more'));
    a.send({ type: 'ping', token: 1 });
    await a.next('pong');
    log.release();
    for (let n = 1; n <= 21; n += 1) assert.equal((await a.next('ack')).n, n);
    assert.deepEqual(
      log.appended.map(({ first, last }) => [first, last]),
      [
        [1, 1],
        [2, 21],
      ],
    );
  });

  test('are not acknowledged when the thread of the log dies', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'skytale-server-'));
    const log = await SqliteLog.open({ directory, durability: 'full', maxBytes: 0 });
    const failed = Promise.withResolvers<unknown>();
    await using server = await startServer({}, { log, onFailure: failed.resolve });
    await using a = await live(server, room);
    await log.kill();
    a.publish(text('m'));
    assert.equal(await a.fatalError(), 'SERVER_FAILURE');
    assert.equal(((await failed.promise) as { code: string }).code, 'LOG_GONE');
    await server.close();
    rmSync(directory, { recursive: true });
  });

  test('sent again are not stored again, and are acknowledged as had', async () => {
    const log = new GatedLog();
    await using server = await startServer({}, { log });
    await using a = await live(server, room);
    a.publish(text('m'));
    await a.next('ack');
    log.hold();
    a.publish(text('second'));
    for (const n of [1, 2]) a.send({ type: 'publish', n, envelope: text('again') });
    assert.deepEqual(await a.next('ack'), { type: 'ack', n: 1, seq: 0, time: 0 });
    log.release();
    assert.equal((await a.next('ack')).seq, 2);
    assert.deepEqual(await a.next('ack'), { type: 'ack', n: 2, seq: 0, time: 0 });
    a.publish(text('third'));
    assert.equal((await a.next('ack')).seq, 3);
  });

  test('with a number missing before them are refused', async () => {
    await using server = await startServer();
    await using a = await live(server, room);
    a.send({ type: 'publish', n: 2, envelope: text('m') });
    assert.equal(await a.fatalError(), 'GAP');
  });
});

describe('joining', () => {
  test('goes on where the client was', async () => {
    await using server = await startServer();
    await using a = await live(server, room);
    for (let count = 1; count <= 30; count += 1) a.publish(text(`${count}`));
    while ((await a.next('ack')).n < 30);
    for (const since of [0, 7, 29, 30]) {
      await using b = await joined(server, room, newKeyPair(), since);
      const frames = await b.deliveries(30 - since);
      assert.deepEqual(
        frames.map(({ seq }) => seq),
        Array.from({ length: 30 - since }, (_, index) => since + 1 + index),
      );
      assert.equal((await b.next('live')).seq, 30);
    }
  });

  test('says what the room and the member have, after a restart too', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'skytale-server-'));
    const settings = { tcp: [{ host: '127.0.0.1', port: 0 }], http: [], data: directory };
    const open = async () => SqliteLog.open({ directory, durability: 'normal', maxBytes: 0 });
    const member = newKeyPair();
    {
      await using server = await startServer(settings, { log: await open() });
      await using a = await live(server, room, member);
      a.publish(text('one'), text('two'));
      await a.next('ack');
      await a.next('ack');
    }
    {
      await using server = await startServer(settings, { log: await open() });
      await using a = await RawClient.connect(addressOf(server));
      const { head, first, lastN } = await a.join(room, member, 1);
      assert.deepEqual({ head, first, lastN }, { head: 2, first: 1, lastN: 2 });
      // Its own message comes too: it may have lost what it had.
      assert.equal(string((await a.deliveries(1))[0]!.envelope), 'two');
      await a.next('live');
      a.publish(text('three'));
      assert.equal((await a.next('ack')).seq, 3);
    }
    rmSync(directory, { recursive: true });
  });

  test('from beyond the head begins at the head', async () => {
    await using server = await startServer();
    await using a = await RawClient.connect(addressOf(server));
    a.create(room);
    await a.next('created');
    assert.equal((await a.join(room, newKeyPair(), 99)).head, 0);
    assert.equal((await a.next('live')).seq, 0);
  });

  test('counts what an older connection published a moment before', async () => {
    const log = new GatedLog();
    await using server = await startServer({}, { log });
    const member = newKeyPair();
    await using a = await live(server, room, member);
    log.hold();
    a.publish(text('m'));
    await until(() => log.waiting === 1);
    await using b = await RawClient.connect(addressOf(server));
    b.sendJoin(room, member);
    assert.equal(await a.fatalError(), 'REPLACED');
    log.release();
    const { lastN, head } = await b.next('joined');
    assert.deepEqual({ lastN, head }, { lastN: 1, head: 1 });
  });

  test('needs a room, both signatures, and the version', async () => {
    await using server = await startServer();
    await using creator = await live(server, room);
    const refused = async (...args: Parameters<RawClient['sendJoin']>) => {
      await using client = await RawClient.connect(addressOf(server));
      client.sendJoin(...args);
      return await client.fatalError();
    };
    const member = newKeyPair();
    const flipped = new Uint8Array(64).fill(1);
    assert.equal(await refused(newKeyPair(), member), 'NO_SUCH_ROOM');
    assert.equal(await refused(room, member, 0, { accessSignature: flipped }), 'ACCESS_DENIED');
    assert.equal(await refused(room, member, 0, { memberSignature: flipped }), 'ACCESS_DENIED');
    assert.equal(await refused(room, member, 0, { member: newKeyPair().publicKey }), 'ACCESS_DENIED');
    assert.equal(await refused(room, member, 0, { accessKey: newKeyPair().publicKey }), 'ACCESS_DENIED');
    assert.equal(await refused(room, member, 0, { version: 3, capabilities: [] }), 'UNSUPPORTED_VERSION');
    creator.publish(text('still here'));
    await creator.next('ack');
  });

  test('cannot be replayed on another connection', async () => {
    await using server = await startServer();
    await using first = await live(server, room);
    await using second = await RawClient.connect(addressOf(server));
    second.challenge = first.challenge;
    second.sendJoin(room, newKeyPair());
    assert.equal(await second.fatalError(), 'ACCESS_DENIED');
  });

  test('a room is created once, by whoever holds its key', async () => {
    await using server = await startServer();
    await using a = await RawClient.connect(addressOf(server));
    a.create(room);
    a.create(room);
    for (let count = 0; count < 2; count += 1) {
      assert.deepEqual(Buffer.from((await a.next('created')).room), roomIdOf(room.publicKey));
    }
    a.send({
      type: 'create',
      version: 1,
      accessKey: newKeyPair().publicKey,
      accessSignature: new Uint8Array(64),
    });
    assert.equal(await a.fatalError(), 'ACCESS_DENIED');
  });
});

describe('presence', () => {
  test('lists who is here, and says who comes and goes', async () => {
    await using server = await startServer();
    const [alice, bob] = [newKeyPair(), newKeyPair()];
    const hex = (key: { publicKey: Uint8Array }) => Buffer.from(key.publicKey).toString('hex');
    await using a = await live(server, room, alice);
    const list = await a.next('present');
    assert.deepEqual(
      list.members.map((id) => Buffer.from(id).toString('hex')),
      [hex(alice)],
    );
    const b = await live(server, room, bob);
    const came = await a.next('presence');
    assert.deepEqual([came.present, Buffer.from(came.member).toString('hex')], [true, hex(bob)]);
    assert.equal((await b.next('present')).members.length, 2);
    await b.close();
    const left = await a.next('presence');
    assert.deepEqual([left.present, Buffer.from(left.member).toString('hex')], [false, hex(bob)]);
  });

  test('of many comes in several frames', async () => {
    await using server = await startServer();
    const others = await Promise.all(Array.from({ length: 40 }, () => live(server, room)));
    await using a = await live(server, room);
    const first = await a.next('present');
    const second = await a.next('present');
    assert.deepEqual([first.start, second.start], [true, false]);
    assert.equal(first.members.length + second.members.length, 41);
    await Promise.all(others.map((client) => client.close()));
  });

  test('a member that reconnects never left', async () => {
    await using server = await startServer();
    const bob = newKeyPair();
    await using a = await live(server, room);
    await using b = await live(server, room, bob);
    await a.next('presence');
    await using again = await live(server, room, bob);
    assert.equal(await b.fatalError(), 'REPLACED');
    await again.next('present');
    await using c = await live(server, room);
    c.publish(text('mark'));
    for (;;) {
      const frame = await a.nextOfAny();
      if (frame?.type === 'deliver') break;
      if (frame?.type === 'presence')
        assert.notDeepEqual(Buffer.from(frame.member), Buffer.from(bob.publicKey));
    }
  });
});

describe('closing', () => {
  test('stores and acknowledges what came in, says DRAIN, and hangs up', async () => {
    const log = new GatedLog();
    const server = await startServer({}, { log });
    const [a, b] = await Promise.all([live(server, room), live(server, room)]);
    log.hold();
    a.publish(text('one'));
    await until(() => log.waiting === 1);
    a.publish(text('two'));
    a.send({ type: 'ping', token: 1 });
    await a.next('pong');
    const closed = server.close();
    log.release();
    for (const n of [1, 2]) assert.equal((await a.next('ack')).n, n);
    for (const client of [a, b]) {
      if (client === b) await b.deliveries(2);
      await client.next('drain');
      assert.equal(await client.nextOfAny(), undefined);
    }
    await closed;
    await assert.rejects(RawClient.connect(addressOf(server)), { code: 'ECONNREFUSED' });
    await assert.rejects(log.roomCounts(''), { code: 'LOG_CLOSED' });
  });

  test('does not wait for ever for those who do not hang up', async () => {
    const server = await startServer();
    const client = await live(server, room);
    client.stream.pause();
    await server.close();
    await client.close();
  });

  test('forgets rooms that nobody is in', async () => {
    await using server = await startServer();
    const access: KeyPair = newKeyPair();
    const client = await live(server, access);
    assert.equal(server.counters.openRooms, 1);
    client.publish(text('last words'));
    await client.next('ack');
    await client.close();
    await until(() => server.counters.openRooms === 0);
    await using again = await joined(server, access);
    await again.deliveries(1);
  });
});
