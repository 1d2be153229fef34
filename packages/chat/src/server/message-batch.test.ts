import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeFrame, type Frame } from '../protocol/frames.ts';
import { type MessageBatch, OpenBatch, type Sender } from './message-batch.ts';

const senders: Sender[] = [1, 2, 3].map((id) => ({
  member: id.toString(16).padStart(64, '0'),
  memberBytes: Buffer.from(id.toString(16).padStart(64, '0'), 'hex'),
  wantsHashes: id === 2,
}));
const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Some messages: who sends each, its number, its envelope. */
type Message = readonly [who: number, n: number, envelope: Uint8Array];
const messages = fc
  .array(fc.tuple(fc.nat(1), fc.uint8Array({ minLength: 1, maxLength: 40 })), {
    minLength: 1,
    maxLength: 120,
  })
  .map((list) => list.map(([who, envelope], index): Message => [who, 7 + index, envelope]));

function sealed(list: readonly Message[], first: number, time: number): MessageBatch<Sender> {
  const open = new OpenBatch<Sender>();
  for (const [who, n, envelope] of list) open.add(senders[who]!, n, envelope);
  return open.seal(first, time);
}

/** What a client gets from message `from` on. */
function sent(batch: MessageBatch<Sender>, client: Sender, from: number): Buffer {
  const parts: Uint8Array[] = [];
  batch.send(client, from, { send: (bytes) => parts.push(bytes) });
  return Buffer.concat(parts);
}

function expected(list: readonly Message[], first: number, time: number, client: Sender): Buffer {
  return Buffer.concat(
    list.map(([who, n, envelope], index) => {
      const seq = first + index;
      const frame: Frame =
        senders[who] === client
          ? { type: 'ack', n, seq, time, ...(client.wantsHashes && { hash: sha256(envelope) }) }
          : { type: 'deliver', seq, time, member: senders[who]!.memberBytes, n, envelope };
      return encodeFrame(frame);
    }),
  );
}

test('a batch is, for everybody and from anywhere, the frames as they would be encoded one by one', () => {
  fc.assert(
    fc.property(messages, fc.integer({ min: 1, max: 2 ** 40 }), fc.nat(), (list, first, from) => {
      const batch = sealed(list, first, 1234);
      assert.equal(batch.last, first + list.length - 1);
      const start = from % list.length;
      for (const client of senders) {
        assert.equal(
          hex(sent(batch, client, first + start)),
          hex(expected(list.slice(start), first + start, 1234, client)),
        );
      }
    }),
  );
});

test('a batch that is opened again is that of the messages that are kept, at other places', () => {
  fc.assert(
    fc.property(messages, fc.integer({ min: 0, max: 50 }), (list, upTo) => {
      const again = sealed(list, 5, 1).reopened((sender, n) => sender === senders[0] && n > upTo);
      const kept = list.filter(([who, n]) => who === 0 && n > upTo);
      if (kept.length === 0) assert.equal(again, undefined);
      else assert.equal(hex(again!.seal(9, 2).frames), hex(expected(kept, 9, 2, senders[2]!)));
    }),
  );
});

test('the log is given the last message of each member, and its hash', () => {
  const batch = sealed(
    [
      [0, 3, Uint8Array.of(1)],
      [1, 9, Uint8Array.of(2)],
      [0, 4, Uint8Array.of(3)],
    ],
    5,
    1,
  );
  const { first, last, members } = batch.forLog('room');
  assert.deepEqual({ first, last }, { first: 5, last: 7 });
  assert.deepEqual(
    members.map(({ member, last: { n, hash } }) => [member, n, hex(hash)]),
    [
      [senders[0]!.member, 4, hex(sha256(Uint8Array.of(3)))],
      [senders[1]!.member, 9, hex(sha256(Uint8Array.of(2)))],
    ],
  );
});

test('an open batch keeps nothing of what it was given', () => {
  const piece = new Uint8Array(64 * 1024).fill(1);
  const open = new OpenBatch<Sender>();
  open.add(senders[0]!, 1, piece.subarray(10, 20));
  piece.fill(2);
  assert(open.memory.buffer.byteLength < 2048);
  assert.equal(hex(open.seal(1, 1).frames.subarray(-10)), '01'.repeat(10));
});

test('what many senders are given costs a few views each, not a copy of the batch', () => {
  const all = Array.from({ length: 500 }, (_, index): Sender => ({ ...senders[0]!, member: `${index}` }));
  const open = new OpenBatch<Sender>();
  for (const sender of all) open.add(sender, 1, new Uint8Array(100));
  const batch = open.seal(1, 1);
  let copied = 0;
  let buffers = 0;
  for (const sender of all) {
    batch.send(sender, 1, {
      send(bytes) {
        buffers += 1;
        if (bytes.buffer !== batch.frames.buffer) copied += bytes.length;
      },
    });
  }
  assert(buffers <= 3 * all.length, `${buffers}`);
  assert(copied <= 100 * all.length, `${copied}`);
});

test('who sent many messages one behind the other is given a few views, not a copy of the batch', () => {
  const open = new OpenBatch<Sender>();
  for (let n = 1; n <= 600; n += 1) open.add(senders[Math.floor(n / 50) % 3]!, n, new Uint8Array(200));
  const batch = open.seal(1, 1);
  for (const sender of senders) {
    const parts: Uint8Array[] = [];
    batch.send(sender, 1, { send: (bytes) => parts.push(bytes) });
    const copied = parts.filter(({ buffer }) => buffer !== batch.frames.buffer);
    assert(parts.length <= 12, `${parts.length}`);
    // An ACK of 61 bytes at most for each of its 200 messages.
    assert(copied.reduce((sum, { length }) => sum + length, 0) <= 250 * 61);
  }
});

test('a batch of many short messages says what it takes, which is more than its frames', () => {
  const open = new OpenBatch<Sender>();
  const count = 1000;
  for (let n = 1; n <= count; n += 1) open.add(senders[1]!, n, Uint8Array.of(1));
  const { size, frames } = open.seal(1, 1234);
  assert(size >= frames.length + 32 * count);
});
