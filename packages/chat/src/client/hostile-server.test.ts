/** What a hostile server, or somebody on the way to an honest one, can do: all of it is noticed, and none of it shown. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { toHex } from '../bytes.ts';
import { encodeFrame, type Frame } from '../protocol/frames.ts';
import { type Arena, flip, openArena, sayAll, serve, serveAlways } from './testing/arena.ts';
import { type Deliver, once, RoomFixture } from './testing/room-fixture.ts';

describe('a client of a server', () => {
  it('shows what an honest one delivers', async () => {
    await using all = await openArena();
    const { bob } = all;
    bob.client.start();
    await serve(all, await sayAll(all, 'one', 'two', 'three'));
    await bob.until(() => bob.texts.length === 3);
    assert.deepEqual(bob.texts, ['one', 'two', 'three']);
    assert.deepEqual(bob.codes, []);
  });

  it('asks again for a message that was damaged on the way, and shows it once', async () => {
    await using all = await openArena();
    const { bob } = all;
    const log = await sayAll(all, 'one', 'two', 'three');
    bob.client.start();
    const damaged = await serve(all, [log[0]!, flip(log[1]!, 100), log[2]!]);
    await damaged.closed;
    const again = await serve(all, log);
    assert.equal(again.join.since, 1);
    await bob.until(() => bob.texts.length === 3);
    assert.deepEqual(bob.texts, ['one', 'two', 'three']);
    assert.deepEqual(bob.codes, ['FORGED']);
  });

  it('drops a message that remains damaged, wherever a bit was flipped, and goes on', async () => {
    for (const [at, code] of [
      [0, 'MALFORMED'],
      [1, 'MALFORMED'],
      [5, 'FORGED'],
      [20, 'FORGED'],
      [40, 'FORGED'],
      [200, 'FORGED'],
      [-1, 'FORGED'],
    ] as const) {
      await using all = await openArena();
      const { bob } = all;
      const [one, two, three] = (await sayAll(all, 'one', 'two', 'three')) as [Deliver, Deliver, Deliver];
      const log = [one, flip(two, at < 0 ? two.envelope.length + at : at), three];
      bob.client.start();
      serveAlways(all, log);
      await bob.until(() => bob.texts.length === 2);
      assert.deepEqual(bob.texts, ['one', 'three']);
      // Bob's history has the damaged message, alice's the true one; and hers is missing.
      assert.deepEqual(bob.codes, [code, 'MISSING', 'HISTORY_DIFFERS'], `bit flipped at ${at}`);
    }
  });

  it('drops what is not its sender’s: another number, another sender, a stranger', async () => {
    await using all = await openArena();
    const { bob, room } = all;
    const [one] = (await sayAll(all, 'one')) as [Deliver];
    const stranger = await RoomFixture.open();
    const [mallory, carol] = [await stranger.member('alice'), await room.member('carol')];
    const forgeries: Deliver[] = [
      { ...one, n: 2 },
      { ...one, member: carol.cipher.member },
      await mallory.say('a lie'),
      { ...(await mallory.say('another')), member: one.member, n: 1 },
    ].map((deliver, index) => ({ ...deliver, seq: index + 1 }));
    bob.client.start();
    serveAlways(all, forgeries);
    await bob.until(() => bob.codes.length === forgeries.length);
    assert.deepEqual(
      bob.codes,
      forgeries.map(() => 'FORGED'),
    );
    assert.deepEqual(bob.texts, []);
    await stranger[Symbol.asyncDispose]();
  });

  it('drops what is played again, at its old place or at a new one', async () => {
    await using all = await openArena();
    const { bob } = all;
    const [one, two] = (await sayAll(all, 'one', 'two')) as [Deliver, Deliver];
    bob.client.start();
    const connection = await serve(all, [one, two]);
    connection.send(one, two, { ...one, seq: 3 });
    await connection.closed;
    serveAlways(all, [one, two, { ...one, seq: 3 }, { ...two, seq: 4 }]);
    await bob.until(() => bob.codes.length === 4);
    assert.deepEqual(bob.codes, ['REPLAY', 'REPLAY', 'REPLAY', 'REPLAY']);
    assert.deepEqual(bob.texts, ['one', 'two']);
  });

  it('fetches what was dropped or swapped on the way, and shows all in order', async () => {
    await using all = await openArena();
    const { bob } = all;
    const log = await sayAll(all, 'one', 'two', 'three', 'four');
    const [one, two, three, four] = log as [Deliver, Deliver, Deliver, Deliver];
    bob.client.start();
    await (await serve(all, [one, three, four])).closed;
    await (await serve(all, [two, four, three])).closed;
    await serve(all, log);
    await bob.until(() => bob.texts.length === 4);
    assert.deepEqual(bob.texts, ['one', 'two', 'three', 'four']);
    assert.deepEqual(bob.codes, ['LEFT_OUT', 'LEFT_OUT']);
  });

  it('says what a server keeps back for good', async () => {
    await using all = await openArena();
    const { bob } = all;
    const [one, , three] = (await sayAll(all, 'one', 'two', 'three')) as [Deliver, Deliver, Deliver];
    bob.client.start();
    for (let round = 0; round < 2; round += 1) await serve(all, [one, three], { head: 3 });
    await bob.until(() => bob.texts.length === 2);
    assert.deepEqual(bob.texts, ['one', 'three']);
    assert.deepEqual(bob.codes, ['LEFT_OUT', 'MISSING']);
  });

  it('notices a hole that the numbering hides', async () => {
    await using all = await openArena();
    const { bob } = all;
    const [one, , three] = (await sayAll(all, 'one', 'two', 'three')) as [Deliver, Deliver, Deliver];
    bob.client.start();
    serveAlways(all, [one, { ...three, seq: 2 }]);
    await bob.until(() => bob.texts.length === 2);
    assert.deepEqual(bob.codes, ['MISSING', 'HISTORY_DIFFERS']);
  });

  it('notices messages of one sender in the wrong order', async () => {
    await using all = await openArena();
    const { bob } = all;
    const [one, two] = (await sayAll(all, 'one', 'two')) as [Deliver, Deliver];
    bob.client.start();
    serveAlways(all, [
      { ...two, seq: 1 },
      { ...one, seq: 2 },
    ]);
    await bob.until(() => bob.codes.length === 3);
    assert.deepEqual(bob.texts, ['two']);
    assert.deepEqual(bob.codes, ['MISSING', 'HISTORY_DIFFERS', 'REORDERED']);
  });

  it('notices that another is shown another history', async () => {
    await using all = await openArena();
    const { bob, alice, room } = all;
    const carol = await room.member('carol');
    const one = await carol.say('meet at noon');
    // Alice is shown something else at the first place.
    const elsewhere = await (await room.member('dave')).say('meet at midnight');
    await alice.transcript.takeOwn(elsewhere, 'dave');
    bob.client.start();
    await serve(all, [one, await alice.say('I will be there')]);
    await bob.until(() => bob.texts.length === 2);
    assert.deepEqual(bob.codes, ['HISTORY_DIFFERS']);
    assert.match(bob.warnings[0]!.text, /“alice”/);
  });

  it('does not believe in the end of the room', async () => {
    await using all = await openArena();
    const { bob } = all;
    const log = await sayAll(all, 'one', 'two');
    bob.client.start();
    // LIVE before the room's end, then beyond it.
    for (const seq of [1, 0]) {
      const connection = await all.server.acceptJoin();
      connection.send({ type: 'joined', room: all.room.roomId, head: 2, first: 1, lastN: 0 });
      connection.send(...log.filter((deliver) => deliver.seq > connection.join.since && deliver.seq <= seq));
      connection.send({ type: 'live', seq });
      await connection.closed;
    }
    const beyond = await serve(all, log, { head: 4 });
    await beyond.closed;
    assert.deepEqual(bob.texts, ['one', 'two']);
    assert.deepEqual(bob.codes, ['PROTOCOL_VIOLATION', 'PROTOCOL_VIOLATION', 'LEFT_OUT']);
  });
});

describe('a client that is started again', () => {
  /** Bob reads what alice said, and ends. */
  async function readBefore(all: Arena, log: readonly Deliver[]): Promise<void> {
    all.bob.client.start();
    const connection = await serve(all, log);
    await all.bob.until(() => all.bob.texts.length === log.length);
    await all.bob.client.close();
    await connection.closed;
  }

  it('goes on at its place, and knows what was there before', async () => {
    await using all = await openArena();
    const log = await sayAll(all, 'one', 'two');
    await readBefore(all, log);
    const bob = await all.room.client(all.server.address);
    bob.client.start();
    const [, two] = log as [Deliver, Deliver];
    const then = [...log, { ...two, seq: 3 }, { ...(await all.alice.say('three')), seq: 4 }];
    const connection = await serve(all, then);
    assert.equal(connection.join.since, 2);
    serveAlways(all, then);
    await bob.until(() => bob.texts.length === 1);
    assert.deepEqual(bob.texts, ['three']);
    assert.deepEqual(bob.codes, ['REPLAY']);
  });

  it('notices that the server has lost what it had', async () => {
    await using all = await openArena();
    await readBefore(all, await sayAll(all, 'one', 'two'));
    const bob = await all.room.client(all.server.address);
    bob.client.start();
    for (let round = 0; round < 2; round += 1) await serve(all, [], { head: 1 });
    await bob.until(() => bob.codes.length > 0);
    assert.deepEqual(bob.codes, ['SERVER_FORGOT']);
    assert.match(bob.warnings[0]!.text, /number 1, and you have read up to 2/);
  });

  it('shows what it read before as it read it then, whatever the server says of it now', async () => {
    await using all = await openArena();
    const [one, two, three] = (await sayAll(all, 'one', 'two', 'three')) as [Deliver, Deliver, Deliver];
    await readBefore(all, [one, two, three]);
    for (const options of [{ since: 1 }, { recent: 2 }]) {
      const bob = await all.room.client(all.server.address, options);
      bob.client.start();
      // Before it has connected.
      await bob.until(() => bob.texts.length === 2);
      const connection = await all.server.acceptJoin();
      assert.equal(connection.join.since, 3);
      const head = { type: 'joined', room: all.room.roomId, head: 3, first: 1, lastN: 0 } as const;
      connection.send(head, flip(two, 200), { ...one, seq: 3 }, { type: 'live', seq: 3 });
      await once(bob.client, 'caughtUp');
      await bob.client.close();
      assert.deepEqual(bob.texts, ['two', 'three']);
      assert.deepEqual(bob.codes, ['REPLAY', 'REPLAY']);
    }
  });

  it('says when the server has deleted what it had not yet read', async () => {
    await using all = await openArena();
    const log = await sayAll(all, 'one', 'two', 'three', 'four', 'five');
    await readBefore(all, log.slice(0, 1));
    const bob = await all.room.client(all.server.address);
    bob.client.start();
    // The first time it is not believed.
    for (let round = 0; round < 2; round += 1) {
      const connection = await all.server.acceptJoin();
      connection.send({ type: 'joined', room: all.room.roomId, head: 5, first: 4, lastN: 0 });
      connection.send(...log.slice(3), { type: 'live', seq: 5 });
    }
    await bob.until(() => bob.texts.length === 2);
    assert.deepEqual(bob.texts, ['four', 'five']);
    assert.deepEqual(bob.codes, ['EXPIRED']);
    assert.match(bob.warnings[0]!.text, /messages 2 to 3/);
  });
});

describe('a client whose own messages a server handles', () => {
  it('takes ACKs in order, and no other', async () => {
    await using all = await openArena();
    const { bob } = all;
    const acks: number[] = [];
    bob.client.on('ack', ({ n }) => acks.push(n));
    bob.client.start();
    for (const text of ['one', 'two']) void bob.client.send(text);
    const connection = await serve(all, []);
    await connection.next('publish');
    await connection.next('publish');
    const ack = (n: number, seq: number): Frame => ({ type: 'ack', n, seq, time: 0 });
    connection.send(ack(1, 1), ack(1, 1), ack(1, 2), ack(1, 0), ack(2, 2));
    await bob.client.flush();
    assert.deepEqual(acks, [1, 2]);
    assert.deepEqual(bob.codes, ['REPLAY', 'REPLAY']);
    connection.send(ack(3, 3));
    await connection.closed;
    assert.deepEqual(bob.codes, ['REPLAY', 'REPLAY', 'PROTOCOL_VIOLATION']);
  });

  it('seals with another key on each connection', async () => {
    await using all = await openArena();
    const { bob } = all;
    bob.client.start();
    const epochs = new Set<string>();
    for (let n = 1; n <= 3; n += 1) {
      const connection = await serve(all, [], { head: n - 1, lastN: n - 1 });
      void bob.client.send(`message ${n}`);
      const { envelope } = await connection.next('publish');
      epochs.add(toHex(envelope.subarray(2, 18)));
      connection.send({ type: 'ack', n, seq: n, time: 0 });
      await bob.client.flush();
      connection.hangUp();
    }
    assert.equal(epochs.size, 3);
  });

  it('sends again, in order and unchanged, what was not stored', async () => {
    await using all = await openArena();
    const { bob } = all;
    bob.client.start();
    for (const text of ['one', 'two', 'three']) void bob.client.send(text);
    const first = await serve(all, []);
    const sent = [await first.next('publish'), await first.next('publish'), await first.next('publish')];
    first.hangUp();
    const own: Deliver = {
      type: 'deliver',
      seq: 1,
      time: 0,
      member: Buffer.from(bob.client.member, 'hex'),
      n: 1,
      envelope: sent[0]!.envelope,
    };
    const second = await serve(all, [own], { lastN: 1 });
    assert.deepEqual(await second.next('publish'), sent[1]);
    assert.deepEqual(await second.next('publish'), sent[2]);
    second.send({ type: 'ack', n: 2, seq: 2, time: 0 }, { type: 'ack', n: 3, seq: 3, time: 0 });
    await bob.client.flush();
    assert.deepEqual(bob.codes, []);
    assert.deepEqual(bob.texts, []);
  });

  it('sends its message under another number when it was altered on the way', async () => {
    await using all = await openArena();
    const { bob } = all;
    const acks: { n: number; seq: number }[] = [];
    bob.client.on('ack', (ack) => acks.push(ack));
    bob.client.start();
    void bob.client.send('one');
    const first = await serve(all, []);
    const { envelope } = await first.next('publish');
    first.hangUp();
    const member = Buffer.from(bob.client.member, 'hex');
    const own: Deliver = flip({ type: 'deliver', seq: 1, time: 0, member, n: 1, envelope }, 150);
    await serve(all, [own], { lastN: 1 });
    const second = await serve(all, [own], { lastN: 1 });
    const again = await second.next('publish');
    assert.equal(again.n, 2);
    second.send({ type: 'ack', n: 2, seq: 2, time: 0 });
    await bob.client.flush();
    assert.deepEqual(bob.codes, ['INJECTED']);
    assert.deepEqual(acks, [{ n: 1, seq: 2, key: 2 }]);
    assert.deepEqual(bob.texts, []);
    await bob.client.close();

    const next = await all.room.client(all.server.address);
    next.client.start();
    await next.client.send('two');
    const connection = await serve(all, [own], { lastN: 2, head: 2 });
    const { n } = await connection.next('publish');
    connection.send({ type: 'ack', n, seq: 3, time: 0 });
    await next.client.flush();
    assert.equal(n, 3);
    assert.deepEqual(next.codes, []);
  });

  it('notices that they are kept back', async () => {
    await using all = await openArena();
    const { bob } = all;
    bob.client.start();
    void bob.client.send('one');
    const first = await serve(all, []);
    await first.next('publish');
    first.hangUp();
    const second = await serve(all, [], { lastN: 1 });
    await second.closed;
    assert.deepEqual(bob.codes, ['PROTOCOL_VIOLATION']);
    assert.equal(bob.client.unacknowledged, 1);
  });

  it('waits and tries again when the server is full', async () => {
    await using all = await openArena();
    const { bob } = all;
    bob.client.start();
    void bob.client.send('one');
    const connection = await serve(all, []);
    const sent = await connection.next('publish');
    connection.send({ type: 'error', code: 12, text: 'full' });
    assert.deepEqual(await connection.next('publish'), sent);
    connection.send({ type: 'ack', n: 1, seq: 1, time: 0 });
    await bob.client.flush();
    assert.deepEqual(bob.codes, ['REFUSED']);
  });
});

describe('a client whose acknowledgements are forged', () => {
  it('lets go of nothing for a message of its own that somebody else made up', async () => {
    await using all = await openArena();
    const { bob } = all;
    bob.client.start();
    for (const text of ['one', 'two', 'three']) await bob.client.send(text);
    const member = Buffer.from(bob.client.member, 'hex');
    const made = (await all.alice.say('x')).envelope;
    const forged: Deliver = { type: 'deliver', seq: 1, time: 0, member, n: 3, envelope: made };
    for (let round = 0; round < 2; round += 1) await serve(all, [forged]);
    await bob.until(() => bob.codes.length > 0);
    assert.equal(bob.client.unacknowledged, 3);
    assert.deepEqual(bob.codes, ['INJECTED']);
  });

  it('joins anew when a place that it knows is given to its message', async () => {
    await using all = await openArena();
    const { bob } = all;
    const log = await sayAll(all, 'one', 'two');
    bob.client.start();
    const connection = await serve(all, log);
    await bob.client.send('mine');
    await connection.next('publish');
    await bob.until(() => bob.texts.length === 2);
    connection.send({ type: 'ack', n: 1, seq: 2, time: 0 });
    await connection.closed;
    assert.equal(bob.client.unacknowledged, 1);
    assert.deepEqual(bob.codes, ['PROTOCOL_VIOLATION']);
  });
});

describe('a client that a server refuses', () => {
  const refusals = [
    [4, 'CHAT_UNSUPPORTED_VERSION'],
    [5, 'CHAT_ACCESS_DENIED'],
    [6, 'CHAT_NO_SUCH_ROOM'],
    [9, 'CHAT_REPLACED'],
  ] as const;
  for (const [number, code] of refusals) {
    it(`gives up with ${code} the second time, since the first may be forged`, async () => {
      await using all = await openArena();
      const { bob, server } = all;
      bob.client.start();
      for (let round = 0; round < 2; round += 1) {
        const connection = await server.acceptJoin();
        connection.send({ type: 'error', code: number, text: 'no \u001b[2J' });
      }
      const reason = await bob.fatal;
      assert.equal(reason.code, code);
      assert.doesNotMatch(reason.message, /\p{C}/u);
      await assert.rejects(bob.client.send('x'), { code });
      await assert.rejects(bob.client.flush(), { code });
      assert.equal(bob.client.state.phase, 'closed');
    });
  }

  it('goes on when it is let in after all', async () => {
    await using all = await openArena();
    const { bob, server } = all;
    bob.client.start();
    (await server.acceptJoin()).send({ type: 'error', code: 5, text: 'no' });
    (await server.acceptJoin()).send({ type: 'error', code: 6, text: 'no' });
    await serve(all, await sayAll(all, 'one'));
    await bob.until(() => bob.texts.length === 1);
  });

  it('gives up when it is let into another room', async () => {
    await using all = await openArena();
    const { bob, server } = all;
    bob.client.start();
    for (let round = 0; round < 2; round += 1) {
      const connection = await server.acceptJoin();
      connection.send({ type: 'joined', room: new Uint8Array(16), head: 0, first: 1, lastN: 0 });
    }
    assert.equal((await bob.fatal).code, 'CHAT_WRONG_ROOM');
  });
});

describe('a client that is sent rubbish', () => {
  const rubbish: Record<string, Uint8Array> = {
    'a page': Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'),
    zeros: new Uint8Array(100),
    'an endless frame': Buffer.from('ffffffff', 'hex'),
    'a client’s frame': encodeFrame({ type: 'publish', n: 1, envelope: new Uint8Array(9) }),
    'a second WELCOME': encodeFrame({
      type: 'welcome',
      lowest: 1,
      highest: 1,
      maxFrame: 4096,
      challenge: new Uint8Array(32),
    }),
    'an answer that nobody asked for': encodeFrame({ type: 'created', room: new Uint8Array(16) }),
  };
  for (const [what, bytes] of Object.entries(rubbish)) {
    it(`hangs up on ${what}, before and after it has joined, and comes back`, async () => {
      await using all = await openArena();
      const { bob, server } = all;
      bob.client.start();
      const early = await server.accept();
      if (what === 'a second WELCOME') early.welcome();
      early.sendBytes(bytes);
      await early.closed;
      const late = await serve(all, []);
      await once(bob.client, 'caughtUp');
      const offline = once(bob.client, 'state');
      late.sendBytes(bytes);
      await late.closed;
      const [state] = await offline;
      assert.equal(state.phase === 'offline' && state.reason.code, 'CHAT_PROTOCOL_VIOLATION');
      await serve(all, await sayAll(all, 'one'));
      await bob.until(() => bob.texts.length === 1);
    });
  }

  it('does not speak to a server of other versions', async () => {
    await using all = await openArena();
    const { bob, server } = all;
    bob.client.start();
    for (let round = 0; round < 2; round += 1) (await server.accept()).welcome({ lowest: 3, highest: 4 });
    assert.equal((await bob.fatal).code, 'CHAT_UNSUPPORTED_VERSION');
  });

  it('gives up on a server that says nothing, and on one that falls silent', async () => {
    await using all = await openArena();
    const { server, room } = all;
    const bob = await room.client(server.address, {
      name: 'carol',
      tuning: { connectTimeout: 20, idleTimeout: 20, retryFirst: 1 },
    });
    bob.client.start();
    await (await server.accept()).closed;
    const joined = await serve(all, []);
    await joined.closed;
  });

  it('gives up on a server that acknowledges nothing', async () => {
    await using all = await openArena();
    const { server, room } = all;
    const bob = await room.client(server.address, {
      name: 'carol',
      tuning: { acknowledgeTimeout: 20, retryFirst: 1 },
    });
    bob.client.start();
    const connection = await serve(all, []);
    void bob.client.send('one');
    await connection.next('publish');
    await connection.closed;
  });
});

type Mischief = {
  readonly deed: 'flip' | 'drop' | 'repeat' | 'swap' | 'seq' | 'n';
  readonly at: number;
  readonly bit: number;
};

/** A stream with which somebody did as told. */
function distort(log: readonly Deliver[], mischief: readonly Mischief[]): Deliver[] {
  const stream = [...log];
  for (const { deed, at, bit } of mischief) {
    const index = at % stream.length;
    const deliver = stream[index]!;
    if (deed === 'drop' && stream.length > 1) stream.splice(index, 1);
    if (deed === 'repeat') stream.splice(index + (bit % 3), 0, deliver);
    if (deed === 'swap' && index > 0) stream.splice(index - 1, 2, deliver, stream[index - 1]!);
    if (deed === 'seq') stream[index] = { ...deliver, seq: deliver.seq + 1 + (bit % 3) };
    if (deed === 'n') stream[index] = { ...deliver, n: deliver.n + 1 + (bit % 3) };
    if (deed === 'flip') {
      const envelope = deliver.envelope.slice();
      envelope[(bit >> 3) % envelope.length]! ^= 1 << (bit & 7);
      stream[index] = { ...deliver, envelope };
    }
  }
  return stream;
}

describe('a client on a hostile network', () => {
  it('notices every change of the stream, shows nothing wrong, and in the end everything', async () => {
    const mischief: fc.Arbitrary<Mischief> = fc.record({
      deed: fc.constantFrom('flip', 'drop', 'repeat', 'swap', 'seq', 'n'),
      at: fc.nat({ max: 5 }),
      bit: fc.nat({ max: 4000 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(mischief, { minLength: 1, maxLength: 4 }), async (deeds) => {
        await using all = await openArena();
        const { bob } = all;
        const texts = ['one', 'two', 'three', 'four', 'five', 'six'];
        const log = await sayAll(all, ...texts);
        const stream = distort(log, deeds);
        bob.client.start();
        const distorted = await all.server.acceptJoin();
        distorted.send({ type: 'joined', room: all.room.roomId, head: log.length, first: 1, lastN: 0 });
        distorted.send(...stream, { type: 'live', seq: log.length });
        const over = Promise.withResolvers<void>();
        bob.client.once('caughtUp', () => over.resolve());
        void distorted.closed.then(() => serve(all, log));
        await over.promise;
        assert.deepEqual(bob.texts, texts);
        const changed = !isDeepStrictEqual(stream, log);
        assert.equal(bob.codes.length > 0, changed, `noticed: ${bob.codes}`);
      }),
      { numRuns: 25 },
    );
  });
});
