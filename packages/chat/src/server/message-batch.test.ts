import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeFrame, type Frame } from '../protocol/frames.ts';
import { MessageBatch } from './message-batch.ts';

const senders = [1, 2, 3].map((id) => ({
  member: id.toString(16).padStart(64, '0'),
  memberBytes: Buffer.from(id.toString(16).padStart(64, '0'), 'hex'),
}));
const messages = fc.array(fc.tuple(fc.nat(1), fc.uint8Array({ minLength: 1, maxLength: 40 })), {
  minLength: 1,
  maxLength: 20,
});

test('a batch is, for everybody and from anywhere, the frames as they would be encoded one by one', () => {
  fc.assert(
    fc.property(messages, fc.integer({ min: 1, max: 2 ** 40 }), fc.nat(), (list, first, from) => {
      const batch = new MessageBatch(
        first,
        1234,
        list.map(([who, envelope], index) => ({ sender: senders[who]!, n: 7 + index, envelope })),
      );
      assert.equal(batch.last, first + list.length - 1);
      const start = from % list.length;
      for (const client of senders) {
        const expected = list.slice(start).map(([who, envelope], index): Frame => {
          const [seq, n] = [first + start + index, 7 + start + index];
          return senders[who] === client
            ? { type: 'ack', n, seq, time: 1234 }
            : { type: 'deliver', seq, time: 1234, member: senders[who]!.memberBytes, n, envelope };
        });
        assert.deepEqual(
          Buffer.from(batch.framesFor(client, first + start)),
          Buffer.concat(expected.map(encodeFrame)),
        );
      }
    }),
  );
});

test('the log is given the last n of each member', () => {
  const batch = new MessageBatch(5, 1, [
    { sender: senders[0]!, n: 3, envelope: Uint8Array.of(1) },
    { sender: senders[1]!, n: 9, envelope: Uint8Array.of(1) },
    { sender: senders[0]!, n: 4, envelope: Uint8Array.of(1) },
  ]);
  const { first, last, members } = batch.forLog('room');
  assert.deepEqual({ first, last }, { first: 5, last: 7 });
  assert.deepEqual(members, [
    { member: senders[0]!.member, lastN: 4 },
    { member: senders[1]!.member, lastN: 9 },
  ]);
});
