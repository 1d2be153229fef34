import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, hkdfSync } from 'node:crypto';
import { describe, it } from 'node:test';
import { serialize } from 'node:v8';
import type { ChatServer } from '@skytale/chat';
import { newKeyPair, RawClient, text } from '@skytale/chat/testing/raw-client';
import { addressOf } from '@skytale/chat/testing/server';
import type { Item, Notice, RoomEvent } from '../engine.ts';
import { Browser, startChatServer, type TestEngine } from '../testing/engine-fixture.ts';
import { webClock } from './web-clock.ts';

/** A server, and the browsers of Alice and Bob. */
async function openScene() {
  const stack = new AsyncDisposableStack();
  const server = stack.use(await startChatServer());
  const origin = `http://127.0.0.1:${server.addresses.http[0]!.port}`;
  const [alices, bobs] = [stack.use(new Browser(origin)), stack.use(new Browser(origin))];
  return {
    ...{ server, origin, alices, bobs, alice: await alices.start(), bob: await bobs.start() },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const id = (n: number) => new Uint8Array(16).fill(n);

/** Both are in a room of Alice's, and online. */
async function meet({ alice, bob }: { alice: TestEngine; bob: TestEngine }): Promise<string> {
  const room = await alice.service.create('alice', 'A room', undefined);
  await alice.service.open(room);
  const { web } = await alice.service.invite(room);
  assert.equal(await bob.service.join(web, 'bob', 'Another', undefined), room);
  await bob.service.open(room);
  return room;
}

describe('an engine', () => {
  it('makes a room, and lets in who has its link; what one says the other hears', async () => {
    await using scene = await openScene();
    const { alice, bob } = scene;
    const room = await meet(scene);
    const sent = await alice.service.send(room, 'hello', id(1));
    assert.deepEqual(
      [sent.own, sent.seq, sent.text, sent.from, typeof sent.n],
      [true, undefined, 'hello', 'alice', 'number'],
    );
    await bob.until(() => bob.texts(room).includes('hello'));
    await bob.service.send(room, 'and you', id(2));
    await alice.until(() => alice.texts(room).includes('and you'));
    await alice.until(() => alice.of(room).some((event) => event.kind === 'sent'));
    const view = await alice.service.open(room);
    assert.deepEqual(
      view.items.filter((item) => item.kind === 'message').map(({ text, own }) => [text, own]),
      [
        ['hello', true],
        ['and you', false],
      ],
    );
    assert.equal(view.summary.unread, 1);
    assert.equal(view.summary.label, 'A room');
    await alice.service.read(room, view.items.at(-1)!.seq!);
    assert.equal((await alice.service.open(room)).summary.unread, 0);
  });

  it('tells the others who one is, though one says nothing', async () => {
    await using scene = await openScene();
    const { alice, bob } = scene;
    const room = await meet(scene);
    const bobs = (await bob.service.open(room)).self;
    const knowsBob = (event: RoomEvent) =>
      event.kind === 'members' && event.members.some(({ member, name }) => member === bobs && name === 'bob');
    await alice.until(() => alice.of(room).some(knowsBob));
    const { items } = await alice.service.open(room);
    const told = items.flatMap((item) => (item.kind === 'notice' ? [item.what] : []));
    assert.deepEqual(
      told.filter(({ kind }) => kind === 'introduced'),
      [{ kind: 'introduced', member: bobs, name: 'bob' }],
    );
  });

  it('keeps what is said offline, over its end, and sends it when it can', async () => {
    await using scene = await openScene();
    const { alices, alice, bob } = scene;
    const room = await meet(scene);
    await alice[Symbol.asyncDispose]();
    alices.isOnline = false;
    const offline = await alices.start();
    await offline.service.open(room);
    await offline.service.send(room, 'one', id(1));
    await offline.service.send(room, 'two', id(2));
    // The same again, as when it is not known whether it was taken.
    await offline.service.send(room, 'one', id(1));
    const waiting = async ({ service }: TestEngine) =>
      (await service.open(room)).items.flatMap((item) =>
        item.kind === 'message' ? [[item.text, item.seq === undefined]] : [],
      );
    const expected = [
      ['one', true],
      ['two', true],
    ];
    assert.deepEqual(await waiting(offline), expected);
    await offline[Symbol.asyncDispose]();
    const again = await alices.start();
    assert.deepEqual(await waiting(again), expected);
    // Known by its id in the next run too.
    await again.service.send(room, 'one', id(1));
    assert.deepEqual(await waiting(again), expected);
    alices.isOnline = true;
    await bob.until(() => bob.texts(room).includes('two'));
    assert.deepEqual(bob.texts(room), ['one', 'two']);
    await again.until(() => again.of(room).filter(({ kind }) => kind === 'sent').length === 2);
    assert.deepEqual(
      await waiting(again),
      expected.map(([text]) => [text, false]),
    );
  });

  it('gives the history page by page, each message once, what was noticed among them', async () => {
    await using scene = await openScene();
    const { server, alice, bobs, bob } = scene;
    const room = await meet(scene);
    for (let n = 1; n <= 130; n += 1) {
      await alice.service.send(
        room,
        `text ${n}`,
        Uint8Array.from({ length: 16 }, (_, at) => (at === 0 ? n : at)),
      );
    }
    await bob.until(() => bob.texts(room).length === 130);
    await using stranger = await intrude(server, (await alice.service.invite(room)).web);
    stranger.publish(text('no envelope'));
    const isWarning = (item: Item) => item.kind === 'notice' && item.what.kind === 'warning';
    await bob.until(() => bob.of(room).some((event) => event.kind === 'item' && isWarning(event.item)));
    await bob[Symbol.asyncDispose]();
    bobs.isOnline = false;
    const again = await bobs.start();
    let items = [...(await again.service.open(room)).items];
    for (;;) {
      const page = await again.service.history(room, items[0]!.seq!, 25);
      if (page.length === 0) break;
      assert.equal(page[0]!.kind === 'message' || page.length < 25, true);
      items = [...page, ...items];
    }
    assert.deepEqual(
      items.flatMap((item) => (item.kind === 'message' ? [item.text] : [])),
      Array.from({ length: 130 }, (_, at) => `text ${at + 1}`),
    );
    const [warning, ...more] = items.filter(isWarning) as Notice[];
    assert.deepEqual(more, []);
    assert.equal(warning!.what.kind === 'warning' && warning!.what.code, 'MALFORMED');
    assert.equal(items.indexOf(warning!), items.length - 1);
  });

  it('forgets a room: nothing of it is left, here or for other tabs, and one comes back as another member', async () => {
    await using scene = await openScene();
    const { alice, bob } = scene;
    const room = await meet(scene);
    await bob.service.send(room, 'hello', id(1));
    await alice.until(() => alice.texts(room).length === 1);
    const { web } = await bob.service.invite(room);
    const before = await bob.service.open(room);
    await bob.service.forget(room);
    await bob.service.forget(room);
    assert.deepEqual(bob.service.rooms(), []);
    for (const table of ['rooms', 'notices', 'states', 'senders', 'messages', 'drafts'] as const)
      assert.deepEqual(await bob.database.rows(table), [], table);
    await assert.rejects(bob.service.open(room), { code: 'CHAT_NO_SUCH_ROOM' });
    await bob.until(() => bob.of(room).some(({ kind }) => kind === 'forgotten'));
    await bob.service.join(web, 'bob', '', undefined);
    const after = await bob.service.open(room);
    assert.notEqual(after.self, before.self);
    await bob.until(() => bob.texts(room).includes('hello'));
  });

  it('counts what came since one last looked, without those who are hidden', async () => {
    await using scene = await openScene();
    const { alices, alice, bob } = scene;
    const room = await meet(scene);
    const bobs = (await bob.service.open(room)).self;
    for (const n of [1, 2, 3]) await bob.service.send(room, `text ${n}`, id(n));
    await alice.until(() => alice.texts(room).length === 3);
    assert.equal(alice.service.rooms()[0]!.unread, 3);
    const [, second] = (await alice.service.open(room)).items.filter(({ kind }) => kind === 'message');
    await alice.service.read(room, second!.seq!);
    assert.equal(alice.service.rooms()[0]!.unread, 1);
    assert.equal((await alice.service.open(room)).readUpTo, second!.seq);
    await alice.service.hide(room, bobs, true);
    await bob.service.send(room, 'text 4', id(4));
    await alice.until(() => alice.texts(room).length === 4);
    assert.equal(alice.service.rooms()[0]!.unread, 1);
    await alice.service.rename(room, 'Another name');
    await alice[Symbol.asyncDispose]();
    const again = await alices.start();
    const view = await again.service.open(room);
    assert.deepEqual(
      [view.summary.unread, view.summary.label, view.readUpTo],
      [1, 'Another name', second!.seq],
    );
    assert.equal(view.members.find(({ member }) => member === bobs)!.hidden, true);
    await again.service.hide(room, bobs, false);
    assert.equal(
      (await again.service.open(room)).members.find(({ member }) => member === bobs)!.hidden,
      false,
    );
    assert.match(await again.service.safetyNumber(room, bobs), /^(\d{5} ){11}\d{5}$/);
    await assert.rejects(again.service.safetyNumber(room, 'nobody'));
  });

  it('says of a link what is wrong with it, and keeps nothing of one that it does not take', async () => {
    await using scene = await openScene();
    const { origin, alice, bob } = scene;
    const room = await alice.service.create('alice', '', undefined);
    const { web, terminal } = await alice.service.invite(room);
    const found = await bob.service.look(web);
    assert.deepEqual(found, { kind: 'invite', room, needsPassphrase: false, known: undefined });
    const { hostname } = new URL(origin);
    const ofTerminal = terminal.replace(/^skytale\+ws:\/\/[^/]+/, `skytale://${hostname}:7000`);
    assert.deepEqual(await bob.service.look(ofTerminal), found);
    const known = await alice.service.look(web);
    assert.equal(known.kind === 'invite' && known.known?.room, room);
    for (const [link, code] of [
      ['', 'INVITE_NOT_AN_INVITE'],
      ['javascript:alert(1)', 'INVITE_NOT_AN_INVITE'],
      [web.slice(0, -9), 'INVITE_CUT_SHORT'],
      [web.split('#')[0]!, 'INVITE_CUT_SHORT'],
      [web.replace(/.$/, (last) => (last === 'A' ? 'Q' : 'A')), 'INVITE_CHANGED'],
      [web.replace(hostname, 'evil.example'), 'CHAT_UNREACHABLE'],
      [ofTerminal.replace(hostname, 'evil.example'), 'CHAT_UNREACHABLE'],
    ] as const) {
      const looked = await bob.service.look(link);
      assert.equal(looked.kind === 'bad' && looked.code, code, link);
      await assert.rejects(bob.service.join(link, 'bob', '', undefined), { code });
    }
    await assert.rejects(bob.service.join(web, ' ', '', undefined), { code: 'CHAT_NAME_INVALID' });
    assert.deepEqual(bob.service.rooms(), []);
    assert.deepEqual(await bob.database.rows('states'), []);
    assert.equal(await bob.service.join(web, 'bob', '', undefined), room);
  });

  it('lets nobody in without the passphrase, where there is one', async () => {
    await using scene = await openScene();
    const { alice, bob } = scene;
    const room = await alice.service.create('alice', '', 'correct horse');
    const { web, needsPassphrase } = await alice.service.invite(room);
    assert.equal(needsPassphrase, true);
    const found = await bob.service.look(web);
    assert.equal(found.kind === 'invite' && found.needsPassphrase, true);
    await assert.rejects(bob.service.join(web, 'bob', '', undefined), { code: 'INVITE_PASSPHRASE_NEEDED' });
    await assert.rejects(bob.service.join(web, 'bob', '', 'wrong horse'), {
      code: 'INVITE_WRONG_PASSPHRASE',
    });
    assert.deepEqual(bob.service.rooms(), []);
    assert.equal(await bob.service.join(web, 'bob', '', 'correct horse'), room);
    await bob.service.open(room);
    await bob.service.send(room, 'hello', id(1));
    await bob.until(() => bob.of(room).some(({ kind }) => kind === 'sent'));
  });

  it('that is deposed writes nothing more, and says so instead of that it was replaced', async () => {
    await using scene = await openScene();
    const { alices, alice } = scene;
    const room = await meet(scene);
    await using young = await alices.start();
    await young.service.open(room);
    await alice.deposed;
    const isEnd = (event: RoomEvent) => event.kind === 'connection' && event.connection.phase === 'ended';
    assert.equal(alice.of(room).some(isEnd), false);
    await assert.rejects(alice.service.rename(room, 'too late'), { code: 'CHAT_STATE_IN_USE' });
    await young.service.send(room, 'hello', id(1));
    await young.until(() => young.of(room).some(({ kind }) => kind === 'sent'));
  });

  it('takes no time of a sender that is still to come for when a room was last heard of', async () => {
    await using scene = await openScene();
    const { origin, alice } = scene;
    const room = await alice.service.create('alice', 'A room', undefined);
    await alice.service.open(room);
    await using hasty = new Browser(origin, { ...webClock, now: () => Date.now() + 1e12 });
    const bob = await hasty.start();
    await bob.service.join((await alice.service.invite(room)).web, 'bob', 'Another', undefined);
    await bob.service.open(room);
    await bob.service.send(room, 'from the future', id(1));
    await alice.until(() => alice.texts(room).includes('from the future'));
    assert.ok((alice.service.rooms()[0]?.lastAt ?? Number.NaN) <= Date.now());
  });

  it('sends long texts that waited, more of them than one message of a WebSocket may hold', async () => {
    await using scene = await openScene();
    const { alices, alice, bob } = scene;
    const room = await meet(scene);
    await alice[Symbol.asyncDispose]();
    alices.isOnline = false;
    const again = await alices.start();
    await again.service.open(room);
    const texts = Array.from({ length: 8 }, (_, n) => `${n}${'x'.repeat(60_000)}`);
    for (const [n, text] of texts.entries()) await again.service.send(room, text, id(n + 1));
    const hungUp = (events: RoomEvent[]) => {
      const phases = events.flatMap((event) => (event.kind === 'connection' ? [event.connection.phase] : []));
      return phases.slice(phases.indexOf('online')).includes('offline') && phases.includes('online');
    };
    alices.isOnline = true;
    const arrived = bob.until(() => bob.texts(room).length === texts.length);
    await Promise.race([arrived, again.until(() => hungUp(again.of(room)))]);
    assert.equal(hungUp(again.of(room)), false);
    await arrived;
    assert.deepEqual(bob.texts(room), texts);
  });

  it('enters a room once, however often it is asked to at a time', async () => {
    await using scene = await openScene();
    const { alice, bob } = scene;
    const room = await alice.service.create('alice', 'A room', undefined);
    const { web } = await alice.service.invite(room);
    const joined = await Promise.all(
      ['bob', 'bob', 'bobby'].map((name) => bob.service.join(web, name, 'Another', undefined)),
    );
    assert.deepEqual(joined, [room, room, room]);
    assert.deepEqual(
      bob.service.rooms().map(({ name }) => name),
      ['bob'],
    );
    assert.equal((await bob.database.rows('states')).length, 1);
  });

  it('leaves nothing of a room that is forgotten while another tab opens it and sends', async () => {
    await using scene = await openScene();
    const { bob } = scene;
    const room = await meet(scene);
    const outcomes = await Promise.allSettled([
      bob.service.send(room, 'before', id(1)),
      bob.service.forget(room),
      bob.service.open(room),
      bob.service.send(room, 'after', id(2)),
    ]);
    assert.equal(outcomes[1].status, 'fulfilled');
    await assert.rejects(bob.service.open(room), { code: 'CHAT_NO_SUCH_ROOM' });
    for (const table of ['rooms', 'notices', 'states', 'senders', 'messages', 'drafts'] as const)
      assert.deepEqual(await bob.database.rows(table), [], table);
  });

  it('leaves out a room of which something is damaged, and goes on with the others', async () => {
    await using scene = await openScene();
    const { alices, alice } = scene;
    const [broken, whole] = [
      await alice.service.create('alice', 'broken', undefined),
      await alice.service.create('alice', 'whole', undefined),
    ];
    const row = (await alice.database.get('rooms', broken))!;
    await alice.database.write(
      [{ table: 'rooms', key: broken, value: row.with(20, row[20]! ^ 1) }],
      'strict',
    );
    await alice[Symbol.asyncDispose]();
    const again = await alices.start();
    assert.deepEqual(
      again.service.rooms().map(({ label }) => label),
      ['whole'],
    );
    await again.service.open(whole);
    await assert.rejects(again.service.open(broken), { code: 'CHAT_NO_SUCH_ROOM' });
  });

  it('has no secret of a room in the clear in its database', async () => {
    await using scene = await openScene();
    const { alice } = scene;
    const room = await meet(scene);
    await alice.service.send(room, 'a text that nobody is to find', id(1));
    await alice.until(() => alice.of(room).some(({ kind }) => kind === 'sent'));
    const { web } = await alice.service.invite(room);
    const secret = web.split('#')[1]!;
    const everything = [];
    for (const table of ['rooms', 'notices', 'states', 'senders', 'messages', 'drafts'] as const)
      everything.push(...(await alice.database.rows(table)));
    const dump = serialize(everything);
    for (const clear of [secret, Buffer.from(secret, 'base64url'), 'a text that nobody', 'alice', 'A room'])
      assert.equal(dump.includes(clear), false);
    assert.equal(dump.includes(room), true);
  });
});

/** Somebody who has the room's secret, and speaks the protocol by hand. */
async function intrude(server: ChatServer, web: string): Promise<RawClient> {
  const secret = Buffer.from(web.split('#')[1]!, 'base64url');
  const seed = Buffer.from(hkdfSync('sha256', secret, '', 'skytale access 1', 32));
  const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  const privateKey = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
  const { x = '' } = createPublicKey(privateKey).export({ format: 'jwk' });
  const client = await RawClient.connect(addressOf(server));
  await client.join({ publicKey: Buffer.from(x, 'base64url'), privateKey }, newKeyPair());
  return client;
}
