import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { queryObjects } from 'node:v8';
import { openEngineDevice } from '@skytale/cryptodev';
import { ChatClient } from '../client/chat-client.ts';
import { Connection } from '../client/connection.ts';
import { SqliteStore } from '../client/node/sqlite-store.ts';
import { Outbox } from '../client/outbox.ts';
import { Transcript } from '../encryption/transcript.ts';
import { nodeCrypto } from '../node-crypto.ts';
import { FrameDecoder } from '../protocol/frame-decoder.ts';
import { ChatServer } from '../server/chat-server.ts';
import { ClientConnection } from '../server/client-connection.ts';
import { Delivery } from '../server/delivery.ts';
import { Room } from '../server/room.ts';
import { RoomWriter } from '../server/room-writer.ts';
import { Seat } from '../server/seat.ts';
import { judge, Witness } from './history.ts';
import { SeededRandom } from './seeded-random.ts';
import { Link, SimulatedNetwork } from './simulated-network.ts';
import { simulate, type Tools } from './simulation.ts';
import { VirtualClock } from './virtual-clock.ts';

const tools: Tools = {
  crypto: nodeCrypto({ threadPool: false }),
  device: await openEngineDevice('node'),
};
after(() => tools.device.close());

describe('a simulation', () => {
  test('is the same for the same seed, to the last step', async () => {
    const [one, other] = [await simulate(7, tools), await simulate(7, tools)];
    assert.deepEqual(one, other);
    assert.notDeepEqual((await simulate(8, tools)).operations, one.operations);
  });

  test('is the same too where states are in SQLite, which they are in every eighth', async () => {
    const [one, other] = [await simulate(88, tools), await simulate(88, tools)];
    assert.deepEqual(one, other);
    assert.deepEqual(one.wrong, []);
    // More than people, and who reads the room at the end: somebody comes again to what an earlier life left.
    assert(one.happened.sqliteStates > 4, `${one.happened.sqliteStates} openings`);
    assert.equal((await simulate(9, tools)).happened.sqliteStates, 0);
  });

  test('ends with everybody having been told the same', async () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const { wrong, operations } = await simulate(seed, tools);
      assert.deepEqual(wrong, [], `seed ${seed}\n${operations.join('\n')}`);
    }
  });
});

describe('what is left in memory when everybody has gone', () => {
  /** What has the rest: each is looked for in the whole heap, which takes a while. */
  const perishable = [
    ...[ClientConnection, Room, RoomWriter, Delivery, Seat, FrameDecoder, Link],
    ...[ChatClient, Connection, Outbox, Transcript, SqliteStore],
  ];
  const left = () =>
    perishable
      .map((part) => ({ name: part.name, count: queryObjects(part, { format: 'count' }) }))
      .filter(({ count }) => count > 0);

  test('is the server, and nothing of anybody', async () => {
    const looked: unknown[] = [];
    const atRest = () => looked.push(left(), queryObjects(ChatServer, { format: 'count' }));
    // With a state in SQLite, and without.
    for (const seed of [6, 8]) assert.deepEqual((await simulate(seed, { ...tools, atRest })).wrong, []);
    assert.deepEqual(looked, [[], 1, [], 1]);
  });
});

describe('the judge of histories', () => {
  const room = ['a', 'b', 'c'].map((text, index) => ({ seq: index + 1, text }));
  const told = (change: (witness: Witness) => void): string[] => {
    const alice = new Witness('alice');
    const bob = new Witness('bob');
    alice.accepted.add('a').add('c');
    bob.accepted.add('b');
    alice.acknowledged.push({ seq: 1, text: 'a' }, { seq: 3, text: 'c' });
    alice.show({ seq: 2, text: 'b' }, { own: false, again: false });
    for (const { seq, text } of room) if (text !== 'b') bob.show({ seq, text }, { own: false, again: false });
    change(alice);
    return judge(room, [alice, bob]);
  };

  test('has nothing to say where all is well', () => {
    assert.deepEqual(
      told(() => undefined),
      [],
    );
    // What is marked as perhaps shown before may be.
    assert.deepEqual(
      told((alice) => alice.show({ seq: 2, text: 'b' }, { own: false, again: true })),
      [],
    );
  });

  test('does not ask for what is gone, but for the place that one was told', () => {
    const alice = new Witness('alice');
    alice.accepted.add('a').add('c');
    alice.acknowledged.push({ seq: 3, text: 'a' }, { seq: 3, text: 'c' });
    const bob = new Witness('bob');
    bob.accepted.add('b');
    bob.show({ seq: 3, text: 'c' }, { own: false, again: false });
    const isGone = (seq: number) => seq < 3;
    assert.deepEqual(judge(room, [alice, bob], { isGone }), []);
    assert.equal(judge(room, [alice, bob]).length, 3);
    alice.acknowledged.push({ seq: 1, text: 'c' });
    assert.match(judge(room, [alice, bob], { isGone }).join('\n'), /"c" is at 1, and it is at 3/);
    // Where something else was put under its number, and is gone, nobody can tell.
    bob.accepted.add('d');
    bob.acknowledged.push({ seq: 3, text: 'd' });
    const lost = (forged: boolean) =>
      judge(room, [bob], { isGone, forged }).filter((text) => /"d"/.test(text));
    assert.equal(lost(false).length, 2);
    assert.equal(lost(true).length, 0);
  });

  test('finds what was lost, doubled, moved, made up, or not shown', () => {
    const cases: [(alice: Witness) => void, RegExp][] = [
      [(alice) => alice.accepted.add('d'), /alice said "d", and it is lost/],
      [(alice) => alice.show({ seq: 2, text: 'b' }, { own: false, again: false }), /shown "b" twice/],
      [(alice) => alice.acknowledged.push({ seq: 9, text: 'a' }), /"a" is at 9, and it is at 1/],
      [(alice) => alice.show({ seq: 3, text: 'x' }, { own: false, again: false }), /shown "x" at 3/],
      [(alice) => alice.accepted.delete('a'), /"a" was said by nobody/],
      [(alice) => alice.seen.delete('b'), /alice was never shown "b"/],
    ];
    for (const [change, sentence] of cases) assert.match(told(change).join('\n'), sentence);
    assert.match(
      judge([...room, { seq: 4, text: 'a' }], []).join('\n'),
      /"a" is in the room twice, at 1 and 4/,
    );
  });
});

describe('simulated time', () => {
  test('passes only for timers, in their order, and not at all for turns', async () => {
    const clock = new VirtualClock();
    const done: string[] = [];
    clock.after(20, () => done.push(`late ${clock.monotonic()}`));
    clock.after(10, () => {
      done.push(`early ${clock.monotonic()}`);
      clock.soon(() => done.push(`turn ${clock.monotonic()}`));
    });
    clock.after(10, () => done.push(`second ${clock.monotonic()}`));
    clock.after(15, () => done.push('never'))[Symbol.dispose]();
    await clock.run(30);
    assert.deepEqual(done, ['early 10', 'turn 10', 'second 10', 'late 20']);
    assert.equal(clock.monotonic(), 30);
    assert.equal(clock.waiting, 0);
  });
});

describe('a simulated connection', () => {
  async function connected(clock: VirtualClock) {
    const network = new SimulatedNetwork(clock, new SeededRandom(1), { latency: 5, cutting: 0.5 });
    const received: Buffer[] = [];
    const ended: string[] = [];
    using _listening = network.listen('here', (stream) => {
      stream.on('data', (piece: Buffer) => received.push(piece));
      stream.on('end', () => ended.push('end'));
      stream.on('error', () => ended.push('error'));
    });
    const connecting = network.connect('here', 'peer');
    await clock.run(10);
    return { network, link: await connecting, received, ended };
  }

  test('brings all bytes in order, in whatever pieces, and then the end', async () => {
    const clock = new VirtualClock();
    const { link, received, ended } = await connected(clock);
    const sent = Buffer.from(Array.from({ length: 5000 }, (_, index) => index % 251));
    for (let at = 0; at < sent.length; at += 100) link.client.write(sent.subarray(at, at + 100));
    link.client.end();
    await clock.run(1000);
    assert.deepEqual(Buffer.concat(received), sent);
    assert.deepEqual(ended, ['end']);
  });

  test('takes no more than its window from somebody whose other side does not read', async () => {
    const clock = new VirtualClock();
    const { link } = await connected(clock);
    link.server.pause();
    link.client.resume();
    let taken = 0;
    const write = (): void => {
      link.client.write(Buffer.alloc(1024), () => {
        taken += 1;
        write();
      });
    };
    write();
    await clock.run(10_000);
    assert(taken < 200, `${taken} KiB were taken`);
  });

  test('loses what is under way when it is cut, and tells both; is refused where nobody listens', async () => {
    const clock = new VirtualClock();
    const { network, link, received, ended } = await connected(clock);
    link.client.write('lost');
    link.cut();
    await clock.run(1000);
    assert.deepEqual([received.length, ended], [0, ['error']]);
    assert.equal(link.client.destroyed, true);
    assert.equal(network.links.length, 0);
    const refused = assert.rejects(network.connect('nowhere', 'peer'), { code: 'ECONNREFUSED' });
    await clock.run(10);
    await refused;
  });
});
