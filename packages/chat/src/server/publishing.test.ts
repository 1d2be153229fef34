/** What becomes of what a member publishes where there is no room for all of it: each message is stored once, or refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Frame } from '../protocol/frames.ts';
import { protocolErrorCode } from '../protocol/protocol-error.ts';
import { deliverBytes } from './message-batch.ts';
import { newKeyPair, type RawClient, text } from './raw-client.testing.ts';
import { GatedLog, hastyClock, live, startServer, until } from './server.testing.ts';

const publish = (n: number, size: number): Frame => ({
  type: 'publish',
  n,
  envelope: new Uint8Array(size).fill(n),
});

test('one that is refused while others are under way does not make them be stored twice', async () => {
  const log = new GatedLog();
  await using server = await startServer({ maxRoomBytes: 1000 }, { log });
  await using a = await live(server, newKeyPair());
  log.hold();
  a.send(publish(1, 10), publish(2, 10), publish(3, 10), publish(4, 900));
  assert.equal(await a.error(), 'STORAGE_FULL');
  const { bytesIn } = server.counters;
  a.send(publish(1, 10), publish(2, 10));
  await until(() => server.counters.bytesIn > bytesIn && log.waiting === 1);
  log.release();
  for (const n of [1, 2, 3]) {
    const ack = await a.next('ack');
    assert.deepEqual([ack.n, ack.seq], [n, n]);
  }
  // The repetitions are answered too.
  for (const n of [1, 2]) assert.deepEqual(await a.next('ack'), { type: 'ack', n, seq: 0, time: 0 });
  a.send(publish(4, 20));
  assert.equal((await a.next('ack')).seq, 4);
  assert.deepEqual(
    log.appended.map(({ first, last }) => [first, last]),
    [
      [1, 3],
      [4, 4],
    ],
  );
});

test('a repetition is answered when the first is dropped, as that', async () => {
  const log = new GatedLog();
  await using server = await startServer({}, { log });
  await using a = await live(server, newKeyPair());
  log.hold();
  log.failing = 'LOG_FULL';
  a.publish(text('m'));
  await until(() => log.waiting === 1);
  const { bytesIn } = server.counters;
  a.send({ type: 'publish', n: 1, envelope: text('m') }, { type: 'ping', token: 1 });
  await until(() => server.counters.bytesIn > bytesIn);
  log.release();
  assert.equal(await a.error(), 'STORAGE_FULL');
  await a.next('pong');
  log.failing = undefined;
  a.send({ type: 'publish', n: 1, envelope: text('m') });
  assert.equal((await a.next('ack')).seq, 1);
});

test('a log that is busy for a while holds up, and loses nothing', async () => {
  const log = new GatedLog();
  await using server = await startServer({}, { log, clock: hastyClock });
  await using a = await live(server, newKeyPair());
  log.failing = 'LOG_BUSY';
  a.publish(text('m'), text('m'));
  a.send({ type: 'ping', token: 1 });
  await a.next('pong');
  log.failing = undefined;
  for (const seq of [1, 2]) assert.equal((await a.next('ack')).seq, seq);
});

/** More than any of the rooms here may keep. */
const TOO_LARGE = 8000;

/** Sends until all is stored, as a client does: from its first message without an answer on, after each refusal. */
async function sendAll(
  client: RawClient,
  sizes: readonly number[],
  repeated: number,
  tooLarge: number,
): Promise<void> {
  let acked = 0;
  let pause = 0;
  // From the first on: whatever has been dropped by then, there is no hole in it.
  const again = sizes.slice(0, repeated).map((size, index) => publish(index + 1, size));
  const send = () => {
    const rest = sizes.slice(acked).map((size, index) => publish(acked + 1 + index, size));
    // Repetitions of what was sent just now, which may still be under way, be stored, or have been refused.
    client.send(...rest, ...again);
  };
  // First with one that is too large for the room.
  client.send(
    ...sizes.map((size, index) => publish(index + 1, index === tooLarge ? TOO_LARGE : size)),
    ...again,
  );
  while (acked < sizes.length) {
    const frame = await client.nextOfAny();
    assert(frame !== undefined, 'the server hung up');
    if (frame.type === 'ack' && frame.seq > 0) {
      assert.equal(frame.n, acked + 1, 'acknowledged out of order, or twice');
      acked = frame.n;
    } else if (frame.type === 'error') {
      assert.equal(protocolErrorCode(frame.code), 'STORAGE_FULL');
      pause += 1;
      client.send({ type: 'ping', token: pause });
    } else if (frame.type === 'pong' && frame.token === pause) {
      send();
    }
  }
  // Whatever is still under way ends with an answer to the last repetition.
  client.send(...again, { type: 'ping', token: pause + 1 });
  let answered = 0;
  for (let over = false; !over; ) {
    const frame = await client.nextOfAny();
    if (frame?.type === 'ack') answered += 1;
    over = frame?.type === 'pong' && frame.token === pause + 1;
  }
  assert(answered >= again.length);
}

test('whatever is refused, for whatever reason, all is stored once and in order in the end', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 12 }),
      fc.nat(12),
      fc.array(fc.constantFrom('store', 'full', 'busy'), { maxLength: 6 }),
      fc.nat(12),
      async (sizes, repeated, script, tooLarge) => {
        const total = sizes.reduce((sum, size) => sum + deliverBytes(new Uint8Array(size)), 0);
        const log = new ScriptedLog(script);
        await using server = await startServer({ maxRoomBytes: total }, { log, clock: hastyClock });
        await using client = await live(server, newKeyPair());
        await sendAll(client, sizes, repeated, tooLarge);
        assert.deepEqual(
          log.stored.map(([n]) => n),
          sizes.map((_, index) => index + 1),
        );
        assert.deepEqual(
          log.stored.map(([, size]) => size),
          sizes,
        );
      },
    ),
    { numRuns: 40, timeout: 5000 },
  );
});

/** Does as it is told with one append after the other; what is beyond the script is stored. */
class ScriptedLog extends GatedLog {
  readonly #script: string[];

  constructor(script: readonly string[]) {
    super();
    this.#script = [...script];
  }

  /** Number and size of every message that is stored, in order. */
  get stored(): [number, number][] {
    return this.appended.flatMap(({ frames }) => {
      const messages: [number, number][] = [];
      const bytes = Buffer.from(frames);
      for (let at = 0; at < bytes.length; at += 4 + bytes.readUInt32BE(at)) {
        messages.push([Number(bytes.readBigUInt64BE(at + 53)), bytes.readUInt32BE(at) - 57]);
      }
      return messages;
    });
  }

  override async append(batch: Parameters<GatedLog['append']>[0]) {
    const step = this.#script.shift();
    this.failing = step === 'full' ? 'LOG_FULL' : step === 'busy' ? 'LOG_BUSY' : undefined;
    return await super.append(batch);
  }
}
