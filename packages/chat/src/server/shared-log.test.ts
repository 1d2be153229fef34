/** Two servers write one log: everybody gets every message, in one order, and none is stored twice. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newKeyPair, type RawClient, text } from './raw-client.testing.ts';
import { live, startServer } from './server.testing.ts';
import { SharedLog } from './shared-log.testing.ts';

/** Everything that a client gets, up to a place: each place once, in order. */
async function upTo(client: RawClient, last: number): Promise<string[]> {
  const seen: string[] = [];
  while (seen.length < last) {
    const frame = await client.nextOfAny();
    assert(frame !== undefined);
    if (frame.type === 'deliver') seen.push(Buffer.from(frame.envelope).toString());
    else if (frame.type === 'ack') seen.push(`own ${frame.n}`);
    else continue;
    assert.equal(frame.seq, seen.length);
  }
  return seen;
}

test('servers that share a log share its rooms', async () => {
  const log = new SharedLog();
  const room = newKeyPair();
  await using one = await startServer({}, { log });
  await using two = await startServer({}, { log });
  await using a = await live(one, room);
  await using b = await live(two, room);
  await using readerOfOne = await live(one, room);
  await using readerOfTwo = await live(two, room);
  for (let n = 1; n <= 50; n += 1) {
    a.publish(text(`a${n}`));
    b.publish(text(`b${n}`));
    if (n % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  const [ofA, ofB, first, second] = await Promise.all(
    [a, b, readerOfOne, readerOfTwo].map((client) => upTo(client, 100)),
  );
  assert.deepEqual(first, second);
  assert.equal(new Set(first).size, 100);
  for (const [index, line] of first!.entries()) {
    const own = line.startsWith('a') ? ofA : ofB;
    const other = line.startsWith('a') ? ofB : ofA;
    assert.equal(own![index], `own ${line.slice(1)}`);
    assert.equal(other![index], line);
  }
  assert(log.lost > 0, 'the servers never met');
});

test('a message that a client sent to both servers is stored once', async () => {
  const log = new SharedLog();
  const [room, member] = [newKeyPair(), newKeyPair()];
  await using one = await startServer({}, { log });
  await using two = await startServer({}, { log });
  await using a = await live(one, room, member);
  await using again = await live(two, room, member);
  await using reader = await live(one, room);
  // In one turn, so that neither server has seen the other's.
  a.publish(text('m'), text('only to one'));
  again.publish(text('m'));
  assert.deepEqual((await upTo(reader, 2)).sort(), ['m', 'only to one']);
  const { head } = (await log.roomState((await log.rooms('', 1))[0]!.room))!;
  assert.equal(head, 2);
});
