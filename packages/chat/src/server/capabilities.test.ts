/** What connections of version 2 can have besides: a window, and messages that are for one place only. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodeFrame, FIRST_WINDOW, type Frame, LENGTH_BYTES, maxEnvelope } from '../protocol/frames.ts';
import type { ChatServer } from './chat-server.ts';
import { type KeyPair, newKeyPair, RawClient, text } from './raw-client.testing.ts';
import { addressOf, GatedLog, live, startServer, until } from './server.testing.ts';
import { SharedLog } from './shared-log.testing.ts';

const MEBIBYTE = 1024 * 1024;

/** A client of version 2 that asks for capabilities, has made the room and joined it. */
async function able(
  server: ChatServer,
  room: KeyPair,
  capabilities: readonly string[],
  member = newKeyPair(),
): Promise<{ client: RawClient; has: readonly string[] | undefined; bytesBefore: number }> {
  const client = await RawClient.connect(addressOf(server));
  client.version = 2;
  client.create(room);
  const created = await client.next('created');
  client.sendJoin(room, member, 0, { capabilities });
  const joined = await client.next('joined');
  client.n = joined.lastN;
  const bytesBefore = 4 + 45 + encodeFrame(created).length + encodeFrame(joined).length;
  return { client, has: joined.capabilities, bytesBefore };
}

test('a connection has the capabilities that both sides know', async () => {
  await using server = await startServer();
  const room = newKeyPair();
  for (const [asked, has] of [
    [[], []],
    [['window'], ['window']],
    [
      ['zero', 'window', 'expect', 'window'],
      ['expect', 'window'],
    ],
  ] as const) {
    const { client, has: got } = await able(server, room, asked);
    assert.deepEqual(got, has);
    await client.close();
  }
});

test('what a capability is for is refused without it', async () => {
  await using server = await startServer();
  const room = newKeyPair();
  const frames: Frame[] = [
    { type: 'window', limit: 1 },
    { type: 'publish_at', head: 0, n: 1, envelope: text('m') },
    { type: 'moved', n: 1, head: 0 },
  ];
  for (const frame of frames) {
    for (const version of [1, 2]) {
      await using early = await RawClient.connect(addressOf(server));
      early.version = version;
      early.send(frame);
      assert.equal(await early.fatalError(), 'UNEXPECTED_FRAME');
      await using client = await live(server, room, newKeyPair(), version);
      client.send(frame);
      assert.equal(await client.fatalError(), 'UNEXPECTED_FRAME');
    }
  }
});

test('a room of a kind that is not known is refused as that', async () => {
  await using server = await startServer();
  await using client = await RawClient.connect(addressOf(server));
  client.stream.write(Buffer.from([0, 0, 0, 6, 2, 0, 2, 2, 9, 9]));
  assert.equal(await client.fatalError(), 'UNSUPPORTED_KIND');
});

describe('a connection with a window', () => {
  /** A room with three mebibytes of messages, in it a client with a window, and the bytes that came to that behind its JOINED. */
  async function setUp(server: ChatServer) {
    const room = newKeyPair();
    await using writer = await live(server, room);
    const envelope = new Uint8Array(48 * 1024).fill(7);
    for (let index = 0; index < 64; index += 1) writer.publish(envelope);
    for (let index = 0; index < 64; index += 1) await writer.next('ack');
    const client = await RawClient.connect(addressOf(server));
    let came = 0;
    client.version = 2;
    const member = newKeyPair();
    client.stream.on('data', (piece: Uint8Array) => {
      came += piece.length;
    });
    client.sendJoin(room, member, 0, { capabilities: ['window'] });
    const before = encodeFrame(await client.next('joined')).length;
    return { client, room, member, came: () => came - before };
  }

  test('is sent what it grants and not a byte more, and in the end everything', async () => {
    await using server = await startServer();
    const { client, came } = await setUp(server);
    let limit = FIRST_WINDOW;
    let exceeded = 0;
    client.stream.on('data', () => {
      if (came() > limit) exceeded = came();
    });
    await until(() => came() === limit);
    // Nothing, less, the same again, and a little more, which cuts a frame.
    for (const more of [0, 1, FIRST_WINDOW, FIRST_WINDOW, FIRST_WINDOW + 1, FIRST_WINDOW + 100_001]) {
      client.send({ type: 'window', limit: more });
      limit = Math.max(limit, more);
      await until(() => came() === limit);
    }
    limit = Number.MAX_SAFE_INTEGER;
    client.send({ type: 'window', limit });
    const places = (await client.deliveries(64)).map(({ seq }) => seq);
    assert.deepEqual(
      places,
      Array.from({ length: 64 }, (_, index) => index + 1),
    );
    await client.next('live');
    assert.ok(came() > 3 * MEBIBYTE);
    assert.equal(exceeded, 0);
    await client.close();
  });

  test('is told why it ends, whatever it granted', async () => {
    await using server = await startServer();
    const { client, room, member, came } = await setUp(server);
    await until(() => came() === FIRST_WINDOW);
    await using again = await RawClient.connect(addressOf(server));
    again.sendJoin(room, member);
    for (let frame = await client.nextOfAny(); frame?.type !== 'error'; frame = await client.nextOfAny()) {
      assert.ok(frame !== undefined, 'it ended without a word');
    }
    await client.close();
  });

  test('is not kept for ever, if it grants nothing', async () => {
    await using server = await startServer({ writeTimeoutMs: 1000 });
    const { client } = await setUp(server);
    // It says that it is there, and takes nothing.
    const pings = setInterval(() => client.send({ type: 'ping', token: 1 }), 100);
    const { promise, resolve } = Promise.withResolvers<void>();
    client.stream.once('close', resolve);
    await promise;
    clearInterval(pings);
  });

  test('can grant in as many steps as it likes', async () => {
    await using server = await startServer();
    const { client, came } = await setUp(server);
    await until(() => came() === FIRST_WINDOW);
    const steps = 2000;
    client.send(
      ...Array.from({ length: steps }, (_, step): Frame => ({ type: 'window', limit: FIRST_WINDOW + step })),
    );
    await until(() => came() === FIRST_WINDOW + steps - 1);
    await client.close();
  });
});

describe('a message that is for one place only', () => {
  const at = (head: number, n: number, what = `m${n}`): Frame => ({
    ...{ type: 'publish_at', head, n },
    envelope: text(what),
  });

  test('is stored there, or refused and changes nothing', async () => {
    await using server = await startServer();
    const room = newKeyPair();
    await using other = await live(server, room);
    const { client } = await able(server, room, ['expect']);
    await client.next('live');
    client.send(at(0, 1));
    assert.deepEqual((await client.next('ack')).seq, 1);
    assert.equal((await other.next('deliver')).seq, 1);
    other.publish(text('theirs'));
    await other.next('ack');
    await client.next('deliver');
    for (const head of [0, 1, 3, Number.MAX_SAFE_INTEGER]) {
      client.send(at(head, 2));
      assert.deepEqual(await client.next('moved'), { type: 'moved', n: 2, head: 2 });
    }
    // What was under way behind it is dropped, until its number comes.
    client.send(
      at(1, 2),
      at(2, 3),
      { type: 'publish', n: 4, envelope: text('m4') },
      { type: 'publish', n: 2, envelope: text('again') },
    );
    await client.next('moved');
    const { n, seq } = await client.next('ack');
    assert.deepEqual([n, seq], [2, 3]);
    client.send(at(3, 3), { type: 'publish', n: 4, envelope: text('m4') });
    assert.deepEqual([(await client.next('ack')).seq, (await client.next('ack')).seq], [4, 5]);
    client.send(at(9, 3));
    assert.deepEqual((await client.next('ack')).seq, 0, 'it had that before');
    client.send(at(5, 9));
    assert.equal(await client.fatalError(), 'GAP');
    const seen = (await other.deliveries(3)).map(({ envelope }) => Buffer.from(envelope).toString());
    assert.deepEqual(seen, ['again', 'm3', 'm4']);
    await client.close();
  });

  test('is refused while anything else is on its way, and holds up what comes behind it', async () => {
    const log = new GatedLog();
    await using server = await startServer({}, { log });
    const room = newKeyPair();
    await using other = await live(server, room);
    const { client } = await able(server, room, ['expect']);
    await client.next('live');
    log.hold();
    other.publish(text('theirs'));
    await until(() => log.waiting === 1);
    client.send(at(0, 1));
    assert.deepEqual(await client.next('moved'), { type: 'moved', n: 1, head: 0 });
    log.release();
    await client.next('deliver');
    log.hold();
    client.send(at(1, 1), { type: 'publish', n: 2, envelope: text('behind') });
    await until(() => log.waiting === 1);
    other.publish(text('theirs too'));
    log.release();
    assert.equal((await client.next('ack')).seq, 2);
    const places = new Map<string, number>();
    while (places.size < 2) {
      const frame = await client.nextOfAny();
      if (frame?.type === 'ack' || frame?.type === 'deliver') places.set(frame.type, frame.seq);
    }
    assert.deepEqual([...places.values()].sort(), [3, 4]);
    await client.close();
  });

  test('can find the log full, and is refused as all else is', async () => {
    const log = new GatedLog();
    await using server = await startServer({}, { log });
    const { client } = await able(server, newKeyPair(), ['expect']);
    await client.next('live');
    log.failing = 'LOG_FULL';
    client.send(at(0, 1));
    assert.equal(await client.error(), 'STORAGE_FULL');
    log.failing = undefined;
    client.send(at(0, 1));
    assert.equal((await client.next('ack')).seq, 1);
    await client.close();
  });

  test('is too large as all else is', async () => {
    await using server = await startServer({ maxFrameBytes: 1024 });
    const { client } = await able(server, newKeyPair(), ['expect']);
    await client.next('live');
    client.send({ type: 'publish_at', head: 0, n: 1, envelope: new Uint8Array(maxEnvelope(1024) + 1) });
    assert.equal(await client.fatalError(), 'FRAME_TOO_LARGE');
    await client.close();
  });

  test('has its place, whatever others say at the same time, by this server or another', async () => {
    const log = new SharedLog();
    const room = newKeyPair();
    await using one = await startServer({}, { log });
    await using two = await startServer({}, { log });
    const clients = await Promise.all([one, two, one, two].map((server) => able(server, room, ['expect'])));
    let refused = 0;
    const count = 15;
    await Promise.all(
      clients.map(async ({ client }, index) => {
        let head = 0;
        let n = 1;
        // The last two say what they like, wherever it comes to stand.
        const plain = index >= 2;
        let under: number | undefined;
        const next = () => {
          if (n > count || under !== undefined) return;
          under = head;
          client.send(plain ? { type: 'publish', n, envelope: text('m') } : at(head, n));
        };
        await client.next('live');
        next();
        while (n <= count) {
          const frame = await client.nextOfAny();
          assert(frame !== undefined && frame.type !== 'error');
          if (frame.type === 'deliver') head = frame.seq;
          if (frame.type === 'ack') {
            assert.deepEqual([frame.n, plain || frame.seq === under! + 1], [n, true]);
            head = frame.seq;
            n += 1;
            under = undefined;
          }
          if (frame.type === 'moved') {
            refused += 1;
            under = undefined;
            // Not at once: who was faster is to be heard first.
            await new Promise((resolve) => setImmediate(resolve));
          }
          next();
        }
      }),
    );
    assert.ok(refused > 0 && log.lost > 0, `${refused} refused, ${log.lost} lost`);
    const { room: id } = (await log.rooms('', 1))[0]!;
    assert.equal((await log.roomState(id))!.head, 4 * count);
    for (const { client } of clients) await client.close();
  });
});

test('the longest frame that opens is as long as there can be', async () => {
  const names = Array.from({ length: 16 }, (_, index) => `${index}`.padStart(24, 'a'));
  const zeros = (length: number) => new Uint8Array(length);
  const join = encodeFrame({
    ...{ type: 'join', version: 2, accessKey: zeros(32), accessSignature: zeros(64), member: zeros(32) },
    ...{ memberSignature: zeros(64), since: 0, capabilities: names },
  });
  assert.equal(join.length - LENGTH_BYTES, 605);
});
