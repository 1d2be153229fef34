/** What somebody on the way can do by sending something under a client's own number. */
import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Frame } from '../protocol/frames.ts';
import { ackOf, joinedFrame, openArena, sayAll, serve, serveHonestly, version2 } from './testing/arena.ts';
import { InjectingProxy } from './testing/injecting-proxy.ts';
import { type Deliver, once } from './testing/room-fixture.ts';
import { ScriptedServer } from './testing/scripted-server.ts';
import { Town } from './testing/town.ts';

const rubbish = (n: number): Frame => ({ type: 'publish', n, envelope: new Uint8Array([1, 2, 3]) });

/** A server, somebody on the way to it, and alice, who sees what arrives. */
async function openScene() {
  const stack = new AsyncDisposableStack();
  const town = stack.use(await Town.open());
  const proxy = stack.use(await InjectingProxy.listen(town.address));
  const alice = await town.room.client(town.address, { name: 'alice' });
  alice.client.start();
  return { town, proxy, alice, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

describe('something injected under a client’s next number', () => {
  it('while it is connected is passed over, and the next text arrives under another', async () => {
    await using scene = await openScene();
    const { town, proxy, alice } = scene;
    const bob = await town.room.client(proxy.address);
    bob.client.start();
    await bob.client.send('one');
    await bob.client.flush();
    proxy.inject(rubbish(2));
    await bob.until(() => bob.codes.includes('INJECTED'));
    await bob.client.send('two');
    await bob.client.flush();
    await alice.until(() => alice.texts.length === 2);
    assert.deepEqual(alice.texts, ['one', 'two']);
    await bob.client.close();

    // The same at the honest server.
    const again = await town.room.client(town.address);
    assert.equal(again.client.member, bob.client.member);
    again.client.start();
    await again.client.send('three');
    await again.client.flush();
    await alice.until(() => alice.texts.length === 3);
    assert.deepEqual(again.codes, []);
  });

  it('while it is away is passed over, and what it then says arrives', async () => {
    await using scene = await openScene();
    const { town, proxy, alice } = scene;
    const bob = await town.room.client(proxy.address);
    bob.client.start();
    await bob.client.send('one');
    await bob.client.flush();
    await bob.client.close();
    proxy.inject(rubbish(2));
    await alice.until(() => alice.codes.includes('MALFORMED'));

    const again = await town.room.client(town.address);
    await again.client.send('two');
    again.client.start();
    await again.client.flush();
    await alice.until(() => alice.texts.length === 2);
    assert.deepEqual(alice.texts, ['one', 'two']);
    assert.deepEqual(again.codes, ['INJECTED']);
    assert.equal(again.client.unacknowledged, 0);
  });

  it('in the place of what it had sent already is passed over, and that is sent under another', async () => {
    await using scene = await openScene();
    const { town, proxy, alice } = scene;
    const bob = await town.room.client(proxy.address);
    bob.client.start();
    await bob.client.send('one');
    await bob.client.flush();
    const swallowed = Promise.withResolvers<void>();
    proxy.meddle = (frame) => {
      if (frame.type !== 'publish') return [frame];
      swallowed.resolve();
      return [];
    };
    await bob.client.send('two');
    await bob.client.send('three');
    await swallowed.promise;
    await bob.client.close();
    proxy.inject(rubbish(2));
    await alice.until(() => alice.codes.includes('MALFORMED'));

    const again = await town.room.client(town.address);
    const acks: number[] = [];
    again.client.on('ack', ({ n }) => acks.push(n));
    again.client.start();
    await again.client.flush();
    await alice.until(() => alice.texts.length === 3);
    assert.deepEqual(alice.texts.toSorted(), ['one', 'three', 'two']);
    assert.deepEqual(acks.toSorted(), [2, 3]);
    assert.deepEqual(again.codes, ['INJECTED']);
  });

  it('in the moment in which it sends does not pass for what it sent', async () => {
    await using all = await openArena();
    const { bob, room, server } = all;
    const log: Deliver[] = [];
    bob.client.start();
    void bob.client.send('one');
    const first = await server.acceptJoin(version2);
    first.send(joinedFrame(all, first.join, {}), { type: 'live', seq: 0 });
    const sent = await first.next('publish');
    const member = Buffer.from(bob.client.member, 'hex');
    const injected = { n: 1, envelope: new Uint8Array([1, 2, 3]) };
    first.send(await ackOf(injected, 1), { ...(await ackOf(injected, 0)) });
    await first.closed;
    assert.equal(bob.client.unacknowledged, 1);
    log.push({ type: 'deliver', seq: 1, time: 0, member, ...injected });
    serveHonestly(all, log, version2);
    await bob.client.flush();
    assert.deepEqual(
      log.map(({ n }) => n),
      [1, 2],
    );
    assert.notDeepEqual(log[1]?.envelope, sent.envelope);
    assert.deepEqual(bob.codes, ['PROTOCOL_VIOLATION', 'INJECTED']);
    // Whoever reads it is told that number 1 was given up for it.
    await using elsewhere = await ScriptedServer.listen();
    const carol = await room.client(elsewhere.address, { name: 'carol' });
    carol.client.start();
    for (let round = 0; round < 2; round += 1) await serve({ ...all, server: elsewhere }, log);
    await carol.until(() => carol.texts.length === 1);
    assert.deepEqual(carol.codes, ['MALFORMED']);
  });
});

describe('a client whose acknowledged message turns out to be another', () => {
  it('says so, and sends it again', async () => {
    await using all = await openArena();
    const { bob } = all;
    bob.client.start();
    void bob.client.send('one');
    const first = await serve(all, [], {}, version2);
    first.send(await ackOf(await first.next('publish'), 1));
    await bob.client.flush();
    first.hangUp();
    // What was acknowledged never arrived; something else did.
    const member = Buffer.from(bob.client.member, 'hex');
    const log: Deliver[] = [
      { type: 'deliver', seq: 1, time: 0, member, n: 1, envelope: new Uint8Array([1, 2, 3]) },
    ];
    serveHonestly(all, log, version2);
    await bob.until(() => log.length === 2 && bob.client.unacknowledged === 0);
    assert.deepEqual(bob.codes, ['SERVER_FORGOT', 'INJECTED']);
  });
});

describe('a client that is told of more messages of its own than it knows', () => {
  it('does not take that for a proof, and goes on when it was a lie', async () => {
    await using all = await openArena();
    const { bob } = all;
    const log = await sayAll(all, 'one');
    bob.client.start();
    for (let round = 0; round < 3; round += 1) {
      const connection = await serve(all, log, { lastN: 3 });
      await connection.closed;
    }
    serveHonestly(all, log);
    await bob.client.send('mine');
    await bob.client.flush();
    assert.deepEqual(
      log.map(({ n }) => n),
      [1, 1],
    );
  });

  it('sends nothing before it knows what they are', async () => {
    await using all = await openArena();
    const { bob } = all;
    const member = Buffer.from(bob.client.member, 'hex');
    const envelope = new Uint8Array([1, 2, 3]);
    const log: Deliver[] = [1, 2].map((n) => ({ type: 'deliver', seq: n, time: 0, member, n, envelope }));
    await bob.client.send('mine');
    bob.client.start();
    serveHonestly(all, log);
    await bob.client.flush();
    assert.deepEqual(
      log.map(({ n }) => n),
      [1, 2, 3],
    );
    assert.deepEqual(bob.codes, ['INJECTED', 'INJECTED']);
  });
});

describe('copies of one state', () => {
  /** A member's state, twice. */
  async function copies(town: Town) {
    const { client } = await town.room.client(town.address);
    await client.close();
    const copy = join(town.room.directory, 'copy');
    cpSync(join(town.room.directory, 'rooms'), join(copy, 'rooms'), { recursive: true });
    return { member: client.member, copy };
  }

  it('used one after the other are told apart by what the other has signed', async () => {
    await using town = await Town.open();
    const { copy } = await copies(town);
    const elsewhere = await town.room.client(town.address, { stateDirectory: copy });
    elsewhere.client.start();
    await elsewhere.client.send('elsewhere');
    await elsewhere.client.flush();
    await elsewhere.client.close();
    for (const text of ['here', undefined]) {
      const here = await town.room.client(town.address);
      if (text !== undefined) await here.client.send(text);
      here.client.start();
      const { code, message } = await here.fatal;
      assert.equal(code, 'CHAT_STATE_OUTDATED');
      assert.match(message, /One message in it was not sent/);
      assert.deepEqual(here.client.unsent, ['here']);
      await here.client.close();
    }
    const alice = await town.room.client(town.address, { name: 'alice' });
    alice.client.start();
    await once(alice.client, 'caughtUp');
    assert.deepEqual([...alice.texts, ...alice.codes], ['elsewhere']);
  });

  it('used at once: nothing acknowledged is lost, and what was not sent is named', async () => {
    await using town = await Town.open();
    const alice = await town.room.client(town.address, { name: 'alice' });
    alice.client.start();
    const { copy } = await copies(town);
    const one = await town.room.client(town.address);
    const other = await town.room.client(town.address, { stateDirectory: copy });
    const acknowledged: string[] = [];
    const ends: Promise<unknown>[] = [];
    for (const [who, { client, fatal }] of [one, other].entries()) {
      client.on('ack', ({ n }) => acknowledged.push(`${who} says ${n}`));
      client.start();
      for (let n = 1; n <= 3; n += 1) await client.send(`${who} says ${n}`);
      ends.push(Promise.race([client.flush().catch(() => {}), fatal]));
    }
    await Promise.all(ends);
    const stopped = await Promise.race([one.fatal, other.fatal]);
    assert.ok(['CHAT_STATE_OUTDATED', 'CHAT_REPLACED'].includes(stopped.code), stopped.code);
    await alice.until(() => acknowledged.every((text) => alice.texts.includes(text)));
    for (const [who, { client }] of [one, other].entries()) {
      const said = [1, 2, 3].map((n) => `${who} says ${n}`);
      const missing = said.filter((text) => !alice.texts.includes(text));
      assert.deepEqual(
        missing.filter((text) => !client.unsent.includes(text)),
        [],
      );
    }
    assert.ok(acknowledged.length > 0);
  });
});
