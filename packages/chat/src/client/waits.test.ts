/** Every wait has an end, and nothing is told or sent before it is stored. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseServerAddress } from '../encryption/server-address.ts';
import type { ConnectionState } from './client-events.ts';
import { defaultTuning } from './client-tuning.ts';
import { MemoryDisk } from './memory-store.ts';
import { joinedFrame, openArena, sayAll, serve, version2 } from './testing/arena.ts';
import { type Deliver, once, RoomFixture } from './testing/room-fixture.ts';

/** A disk that can be held, and made to fail. */
function gatedDisk() {
  let gate: PromiseWithResolvers<void> | undefined;
  let writes = 0;
  let waiting = Promise.withResolvers<void>();
  const disk = new MemoryDisk({
    write: async () => {
      writes += 1;
      if (gate !== undefined) waiting.resolve();
      await gate?.promise;
    },
  });
  return {
    openStore: disk.openStore.bind(disk),
    get writes() {
      return writes;
    },
    hold() {
      gate = Promise.withResolvers();
      waiting = Promise.withResolvers();
    },
    /** Resolves when a commit waits. */
    get reached() {
      return waiting.promise;
    },
    release() {
      gate?.resolve();
      gate = undefined;
    },
    fail() {
      gate?.reject(new Error('no space left'));
      gate = undefined;
    },
  };
}

/** Turns of the event loop, so many that all that could happen has happened. */
async function aWhile(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

describe('what is read', () => {
  it('is told when it is stored, and not before', async () => {
    await using all = await openArena();
    const disk = gatedDisk();
    const carol = await all.room.clientIn(disk, all.server.address, { name: 'carol' });
    carol.client.start();
    const connection = await serve(all, []);
    await once(carol.client, 'caughtUp');
    disk.hold();
    connection.send(...(await sayAll(all, 'one')));
    await disk.reached;
    await aWhile();
    assert.deepEqual(carol.texts, []);
    disk.release();
    await carol.until(() => carol.texts.length === 1);
  });

  it('is not told when it cannot be stored: that is the end', async () => {
    await using all = await openArena();
    const disk = gatedDisk();
    const carol = await all.room.clientIn(disk, all.server.address, { name: 'carol' });
    carol.client.start();
    const connection = await serve(all, []);
    await once(carol.client, 'caughtUp');
    disk.hold();
    connection.send(...(await sayAll(all, 'one')));
    await disk.reached;
    disk.fail();
    assert.equal((await carol.fatal).code, 'CHAT_STATE_UNUSABLE');
    await assert.rejects(carol.client.send('x'), { code: 'CHAT_STATE_UNUSABLE' });
    assert.deepEqual(carol.texts, []);
  });

  it('shares commits, hundreds of messages one, while there is much of it', async () => {
    await using all = await openArena();
    const log = await sayAll(all, ...Array.from({ length: 1000 }, (_, index) => `${index}`));
    const disk = gatedDisk();
    const carol = await all.room.clientIn(disk, all.server.address, { name: 'carol' });
    carol.client.start();
    await serve(all, log);
    await carol.until(() => carol.texts.length === 1000);
    assert.ok(disk.writes < 50, `${disk.writes} commits`);
  });
});

describe('what is sent', () => {
  it('is stored before it goes out', async () => {
    await using all = await openArena();
    const disk = gatedDisk();
    const carol = await all.room.clientIn(disk, all.server.address, { name: 'carol' });
    carol.client.start();
    const connection = await serve(all, []);
    await once(carol.client, 'caughtUp');
    disk.hold();
    let sent = false;
    let durable = false;
    void carol.client.send('one').then(() => {
      durable = true;
    });
    const published = connection.next('publish').then(() => {
      sent = true;
    });
    await disk.reached;
    await aWhile();
    assert.deepEqual([durable, sent], [false, false]);
    disk.release();
    await published;
    assert.equal(durable, true);
  });

  it('and never acknowledged does not hold up who gives up waiting, nor is that called online', async () => {
    await using all = await openArena();
    const { server, room } = all;
    const carol = await room.client(server.address, { name: 'carol', tuning: { acknowledgeTimeout: 10 } });
    const states: ConnectionState['phase'][] = [];
    carol.client.on('state', ({ phase }) => states.push(phase));
    carol.client.start();
    await carol.client.send('one');
    for (let round = 0; round < 3; round += 1) {
      const connection = await serve(all, []);
      await connection.next('publish');
      await connection.closed;
    }
    assert.equal(states.filter((phase) => phase === 'online').length, 1);
    const controller = new AbortController();
    const flushed = assert.rejects(carol.client.flush(controller.signal), { message: 'enough' });
    controller.abort(new Error('enough'));
    await flushed;
    const connection = await serve(all, []);
    const { n } = await connection.next('publish');
    connection.send({ type: 'ack', n, seq: 1, time: 0 });
    await carol.client.flush();
    assert.equal(carol.client.state.phase, 'online');
  });
});

describe('closing', () => {
  it('ends though the store does not', async () => {
    await using all = await openArena();
    const disk = gatedDisk();
    const tuning = { closeTimeout: 10 };
    const carol = await all.room.clientIn(disk, all.server.address, { name: 'carol', tuning });
    disk.hold();
    const sent = assert.rejects(carol.client.send('one'), { code: 'CHAT_CLOSED' });
    await disk.reached;
    await carol.client.close();
    await sent;
    disk.release();
  });

  it('does not say that it has forgotten, where the store does not end', async () => {
    await using all = await openArena();
    const disk = gatedDisk();
    const tuning = { closeTimeout: 10 };
    const carol = await all.room.clientIn(disk, all.server.address, { name: 'carol', tuning });
    disk.hold();
    const sent = carol.client.send('one');
    const notSent = assert.rejects(sent, { code: 'CHAT_CLOSED' });
    await disk.reached;
    await assert.rejects(carol.client.forget(), { code: 'CHAT_STATE_UNUSABLE', message: /not wiped/ });
    await notSent;
    disk.release();
  });

  it('tells of what is just being stored what becomes of it: the next run may send it', async () => {
    await using all = await openArena();
    const disk = gatedDisk();
    const carol = await all.room.clientIn(disk, all.server.address, { name: 'carol' });
    disk.hold();
    const sent = carol.client.send('one');
    await disk.reached;
    const behind = assert.rejects(carol.client.send('two'), { code: 'CHAT_CLOSED' });
    const closed = carol.client.close();
    await behind;
    disk.release();
    assert.deepEqual(await sent, { n: 1 });
    await closed;
    const next = await all.room.clientIn(disk, all.server.address, { name: 'carol' });
    assert.deepEqual(next.client.unsent, ['one']);
  });

  it('ends while something is being read that cannot be stored', async () => {
    await using all = await openArena();
    const disk = gatedDisk();
    const tuning = { closeTimeout: 10 };
    const carol = await all.room.clientIn(disk, all.server.address, { name: 'carol', tuning });
    carol.client.start();
    const connection = await serve(all, []);
    await once(carol.client, 'caughtUp');
    disk.hold();
    connection.send(...(await sayAll(all, 'one')));
    await disk.reached;
    await carol.client.close();
    assert.equal(carol.client.state.phase, 'closed');
    disk.release();
    assert.deepEqual(carol.texts, []);
  });
});

describe('connecting', () => {
  it('ends when nobody answers', async () => {
    await using room = await RoomFixture.open();
    const dial = (_: unknown, signal: AbortSignal) =>
      new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    const { client } = await room.clientIn({ dial }, parseServerAddress('127.0.0.1:1'), {
      tuning: { connectTimeout: 10 },
    });
    const states: ConnectionState[] = [];
    client.on('state', (state) => states.push(state));
    client.start();
    await new Promise<void>((resolve) => client.on('state', () => states.length === 2 && resolve()));
    assert.ok(states[1]?.phase === 'offline' && /does not answer/.test(states[1].reason.message));
  });

  for (const [what, spread, expected] of [
    ['says', 600, 300],
    ['says, at once,', 0, 0],
    ['says, or half a minute,', 2 ** 32 - 1, 15_000],
    ['does not say', undefined, 1000],
  ] as const) {
    it(`again to a server that went down happens at a random time within what it ${what}`, async () => {
      await using all = await openArena();
      const tuning = { retryLongest: defaultTuning.retryLongest };
      const options = { name: 'carol', tuning };
      const carol = await all.room.clientIn({ fraction: () => 0.5 }, all.server.address, options);
      carol.client.start();
      const connection = await serve(all, [], {}, spread === undefined ? {} : version2);
      await once(carol.client, 'caughtUp');
      const offline = once(carol.client, 'state');
      connection.send({ type: 'drain', ...(spread !== undefined && { spread }) });
      connection.end();
      const [state] = await offline;
      assert.ok(state.phase === 'offline');
      assert.deepEqual([state.retryIn, state.reason.code], [expected, 'CHAT_UNAVAILABLE']);
    });
  }
});

describe('asking again', { timeout: 60_000 }, () => {
  const tuning = { vainConnections: 15 };

  it('ends where it brings nothing, with what it was', async () => {
    await using all = await openArena();
    const carol = await all.room.client(all.server.address, { name: 'carol', tuning });
    const states: ConnectionState['phase'][] = [];
    carol.client.on('state', ({ phase }) => states.push(phase));
    const [one, two] = (await sayAll(all, 'one', 'two')) as [Deliver, Deliver];
    carol.client.start();
    // A place that is damaged in the server's database is far beyond the room's end: nothing is there that can be believed.
    const damaged = { ...two, seq: 2 ** 40 };
    let connections = 0;
    const serveNext = (): Promise<void> =>
      serve(all, [one, damaged], { head: 2 }).then((connection) => {
        connections += 1;
        return connection.closed.then(serveNext);
      });
    serveNext().catch(() => {});
    const reason = await carol.fatal;
    assert.equal(reason.code, 'CHAT_DAMAGED');
    assert.match(reason.message, /left out the messages 2 to/);
    assert.match(reason.message, /15 connections/);
    // The first one brought something.
    assert.equal(connections, 16);
    assert.equal(states.filter((phase) => phase === 'online').length, 2);
    assert.equal(states.at(-1), 'closed');
    assert.deepEqual(carol.texts, ['one']);
    assert.deepEqual(carol.codes, ['LEFT_OUT']);
  });

  it('ends where the server says at once that what it has is damaged', async () => {
    await using all = await openArena();
    const carol = await all.room.client(all.server.address, { name: 'carol', tuning });
    carol.client.start();
    const refuse = (): Promise<void> =>
      all.server.acceptJoin(version2).then((connection) => {
        connection.send({ type: 'error', code: 16, text: 'the numbers are damaged' });
        return refuse();
      });
    refuse().catch(() => {});
    const reason = await carol.fatal;
    assert.equal(reason.code, 'CHAT_DAMAGED');
    assert.match(reason.message, /the numbers are damaged/);
  });

  it('goes on for as long as it brings something', async () => {
    await using all = await openArena();
    const carol = await all.room.client(all.server.address, { name: 'carol', tuning });
    const log = await sayAll(all, ...Array.from({ length: 20 }, (_, index) => `${index}`));
    carol.client.start();
    for (const deliver of log) {
      const connection = await all.server.acceptJoin();
      connection.send(joinedFrame(all, connection.join, { head: log.length }), deliver);
      connection.send({ type: 'created', room: all.room.roomId });
      await connection.closed;
    }
    await serve(all, log);
    await carol.until(() => carol.texts.length === log.length);
    assert.deepEqual(carol.codes, []);
  });
});
