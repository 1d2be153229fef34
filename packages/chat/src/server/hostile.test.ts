/** What hostile clients do to a server, and that nobody else notices: a well-behaved pair talks all the while. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { anyFrame } from '../protocol/frames.cases.ts';
import { encodeFrame, type Frame } from '../protocol/frames.ts';
import { protocolErrorCode } from '../protocol/protocol-error.ts';
import type { ChatServer } from './chat-server.ts';
import { newKeyPair, RawClient, text } from './raw-client.testing.ts';
import { addressOf, joined, live, startServer } from './server.testing.ts';

const room = newKeyPair();

/** Runs `attack` while two others talk; every message of theirs must come. */
async function whileOthersTalk(server: ChatServer, attack: () => Promise<void>): Promise<void> {
  await using a = await live(server, room);
  await using b = await live(server, room);
  let attacking = true;
  const talk = async () => {
    for (let count = 1; attacking || count < 20; count += 1) {
      a.publish(text(`${count}`));
      assert.equal(Buffer.from((await b.next('deliver')).envelope).toString(), `${count}`);
      await a.next('ack');
    }
  };
  const stop = () => {
    attacking = false;
  };
  const results = await Promise.allSettled([attack().finally(stop), talk()]);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

/** Everything that the server says until it hangs up; then, or after an error, the connection is closed. */
async function outcome(client: RawClient): Promise<string[]> {
  const types: string[] = [];
  for (let frame = await client.nextOfAny(); frame !== undefined; frame = await client.nextOfAny()) {
    types.push(frame.type === 'error' ? `${protocolErrorCode(frame.code)}` : frame.type);
  }
  return types;
}

const settings = { framesPerSecond: 0, bytesPerSecond: 0 };

describe('hostile clients', () => {
  test('random bytes, before and after joining', async () => {
    await using server = await startServer(settings);
    await whileOthersTalk(server, () =>
      fc.assert(
        fc.asyncProperty(
          fc.uint8Array({ minLength: 5, maxLength: 300 }),
          fc.boolean(),
          async (bytes, first) => {
            // A first byte that is not 0 makes the frame too large for any server.
            bytes[0]! |= 1;
            await using client = first
              ? await RawClient.connect(addressOf(server))
              : await live(server, newKeyPair());
            client.stream.write(bytes);
            assert.deepEqual((await outcome(client)).at(-1), 'FRAME_TOO_LARGE');
          },
        ),
        { numRuns: 30 },
      ),
    );
  });

  test('frames of any type, whole, changed or cut, at any time', async () => {
    await using server = await startServer(settings);
    const change = fc.option(fc.tuple(fc.nat(), fc.nat(255)), { nil: undefined });
    const known = ['MALFORMED_FRAME', 'FRAME_TOO_LARGE', 'UNEXPECTED_FRAME', 'UNSUPPORTED_VERSION'];
    known.push('ACCESS_DENIED', 'NOT_JOINED', 'GAP');
    const said = ['present', 'presence', 'pong', 'ack', 'deliver', 'live', ...known];
    await whileOthersTalk(server, () =>
      fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(anyFrame, change), { maxLength: 6 }),
          fc.boolean(),
          async (list, first) => {
            await using client = first
              ? await RawClient.connect(addressOf(server))
              : await live(server, newKeyPair());
            for (const [frame, changed] of list) {
              const bytes = encodeFrame(frame);
              if (changed !== undefined) bytes[changed[0] % bytes.length] = changed[1];
              client.stream.write(bytes);
            }
            // A frame that only servers send: the end, unless something before it was.
            client.send({ type: 'drain' });
            client.stream.end();
            for (const what of await outcome(client)) assert(said.includes(what), what);
          },
        ),
        { numRuns: 60 },
      ),
    );
  });

  test('each wrong frame is answered with its error, and hung up on', async () => {
    await using server = await startServer(settings);
    const cases: [string, Frame | Uint8Array, boolean][] = [
      ['NOT_JOINED', { type: 'publish', n: 1, envelope: text('m') }, false],
      ['UNEXPECTED_FRAME', { type: 'drain' }, false],
      ['UNEXPECTED_FRAME', { type: 'live', seq: 1 }, true],
      ['MALFORMED_FRAME', Uint8Array.of(0, 0, 0, 1, 99), true],
      ['MALFORMED_FRAME', Uint8Array.of(0, 0, 0, 0), false],
      ['FRAME_TOO_LARGE', Uint8Array.of(0, 4, 0, 1, 6), true],
      ['GAP', { type: 'publish', n: 2, envelope: text('m') }, true],
    ];
    await whileOthersTalk(server, async () => {
      for (const [code, frame, inRoom] of cases) {
        await using client = inRoom
          ? await live(server, newKeyPair())
          : await RawClient.connect(addressOf(server));
        client.stream.write(frame instanceof Uint8Array ? frame : encodeFrame(frame));
        assert.equal((await outcome(client)).at(-1), code);
      }
      await using twice = await live(server, newKeyPair());
      twice.sendJoin(room, newKeyPair());
      assert.equal((await outcome(twice)).at(-1), 'UNEXPECTED_FRAME');
    });
    assert.equal(server.counters.errors, cases.length + 1);
  });

  test('connections that are dropped at any moment', async () => {
    await using server = await startServer(settings);
    await whileOthersTalk(server, async () => {
      for (let count = 0; count < 40; count += 1) {
        const socket = connect(addressOf(server));
        const client = new RawClient(socket);
        if (count % 4 > 0) await client.welcomed();
        if (count % 4 > 1) client.sendJoin(room, newKeyPair());
        if (count % 4 > 2) await client.next('joined');
        if (count % 8 > 3) socket.resetAndDestroy();
        await client.close();
      }
    });
  });

  test('a client that asks and never listens is no longer heard, and costs little', async () => {
    await using server = await startServer(settings);
    await using deaf = await live(server, room);
    deaf.stream.pause();
    const pings = Buffer.concat(
      Array.from({ length: 5000 }, (_, token) => encodeFrame({ type: 'ping', token })),
    );
    await whileOthersTalk(server, async () => {
      // Until the server stops reading, so that the system's buffers are full in both directions.
      while (deaf.stream.writableLength < 2_000_000) {
        deaf.stream.write(pings);
        await new Promise((resolve) => setImmediate(resolve));
      }
    });
    assert(server.counters.bytesIn < 80_000_000, `${server.counters.bytesIn}`);
  });

  test('readers that stop read the rest from the log later, and the server does not grow meanwhile', async () => {
    await using server = await startServer({ ...settings, maxRoomBytes: 0 });
    const access = newKeyPair();
    await using fast = await live(server, access);
    const slow = await Promise.all(Array.from({ length: 2 }, () => live(server, access)));
    const others = await Promise.all(Array.from({ length: 2 }, () => live(server, access)));
    for (const client of slow) client.stream.pause();
    const envelope = new Uint8Array(50_000);
    const bytesOut = server.counters.bytesOut;
    const total = 600;
    for (let n = 1; n <= total; n += 1) {
      fast.publish(envelope);
      await Promise.all([fast.next('ack'), ...others.map((client) => client.next('deliver'))]);
    }
    // What was written for the slow ones is what the system's buffers hold, not the 30 MB that were said.
    const forSlow = server.counters.bytesOut - bytesOut - total * 50_000 * others.length;
    assert(forSlow < (slow.length * total * 50_000) / 2, `${forSlow}`);
    for (const client of slow) client.stream.resume();
    for (const client of slow) {
      const frames = await client.deliveries(total);
      assert(frames.every(({ seq }, index) => seq === index + 1));
    }
    assert(server.counters.catchUps > 0);
    await using late = await joined(server, access);
    await late.deliveries(total);
    await late.next('live');
    await Promise.all([...slow, ...others].map((client) => client.close()));
  });
});
