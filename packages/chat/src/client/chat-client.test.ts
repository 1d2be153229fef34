import assert from 'node:assert/strict';
import { once as onceOf } from 'node:events';
import { cpSync, existsSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { MAX_TEXT_BYTES } from '../encryption/content.ts';
import { formatInvite, openInvite, parseInvite } from '../encryption/invite.ts';
import { parseServerAddress } from '../encryption/server-address.ts';
import { nodeCrypto } from '../node-crypto.ts';
import type { ConnectionState, Introduction, Presence } from './client-events.ts';
import { defaultTuning, retryDelay } from './client-tuning.ts';
import { createRoomOnNode as createRoom, openNodeClient } from './node/node-client.ts';
import { once, quick, RoomFixture } from './testing/room-fixture.ts';
import { Town } from './testing/town.ts';

describe('a chat', () => {
  for (const transport of ['address', 'webSocket'] as const) {
    it(`carries texts complete, in order, once (${transport})`, async () => {
      await using town = await Town.open();
      const alice = await town.room.client(town[transport], { name: 'alice' });
      const bob = await town.room.client(town[transport], { name: 'bob' });
      alice.client.start();
      bob.client.start();
      const texts = ['', 'hello', '', '🎉 é', 'line\nbreak\r\n\u0000\u001b[2J', 'x'.repeat(60 * 1024)];
      for (let index = 0; index < 100; index += 1) texts.push(`line ${index}`);
      for (const text of texts) void alice.client.send(text);
      await alice.client.flush();
      await bob.until(() => bob.texts.length === texts.length);
      assert.deepEqual(bob.texts, texts);
      assert.deepEqual(
        bob.messages.map(({ seq }) => seq),
        texts.map((_, index) => index + 1),
      );
      const [first] = bob.messages;
      assert.deepEqual(
        [first?.from, first?.member, first?.own, first?.again],
        ['alice', alice.client.member, false, false],
      );
      assert.deepEqual([...alice.codes, ...bob.codes, ...alice.texts], []);
    });
  }

  it('is one for several who speak at once', async () => {
    await using town = await Town.open();
    const members = await Promise.all(
      ['alice', 'bob', 'carol'].map((name) => town.room.client(town.address, { name })),
    );
    for (const { client } of members) client.start();
    await Promise.all(members.map((member) => once(member.client, 'caughtUp')));
    for (let index = 0; index < 50; index += 1)
      for (const { client } of members) void client.send(`${index}`);
    await Promise.all(members.map((member) => member.until(() => member.texts.length === 100)));
    for (const member of members) {
      assert.deepEqual(member.codes, []);
      const seqs = member.messages.map(({ seq }) => seq);
      assert.deepEqual(
        seqs,
        seqs.toSorted((one, other) => one - other),
      );
    }
  });

  it('tells who is there, also of those who say nothing', async () => {
    await using town = await Town.open();
    const alice = await town.room.client(town.address, { name: 'alice' });
    const bob = await town.room.client(town.address, { name: 'bob' });
    const introduced: Introduction[] = [];
    bob.client.on('introduction', (introduction) => introduced.push(introduction));
    await Promise.all([alice.client.introduce(), alice.client.introduce()]);
    alice.client.start();
    await alice.client.flush();
    bob.client.start();
    await bob.until(() => bob.client.present[0]?.name === 'alice');
    const { member } = alice.client;
    assert.deepEqual(introduced, [{ member, name: 'alice' }]);
    await alice.client.send('hello');
    await alice.client.introduce();
    await alice.client.flush();
    await bob.until(() => bob.texts.length === 1);
    assert.deepEqual(
      bob.messages.map(({ seq, text }) => [seq, text]),
      [[2, 'hello']],
    );
    assert.equal(alice.client.lastSent, 2);
    assert.deepEqual([...alice.texts, ...alice.codes, ...bob.codes], []);
    await bob.client.close();

    // Of what was said before, an introduction is no part.
    const again = await town.room.client(town.address, { name: 'bob', recent: 50 });
    assert.deepEqual([...again.client.knownMembers], [[member, 'alice']]);
    again.client.start();
    await once(again.client, 'caughtUp');
    assert.deepEqual(again.texts, ['hello']);
    await again.client.close();
    await assert.rejects(again.client.introduce(), { code: 'CHAT_CLOSED' });
  });

  it('goes on after the server was stopped and started again', async () => {
    await using town = await Town.open('disk');
    const alice = await town.room.client(town.address, { name: 'alice' });
    const bob = await town.room.client(town.address, { name: 'bob' });
    const states: ConnectionState[] = [];
    bob.client.on('state', (state) => states.push(state));
    alice.client.start();
    bob.client.start();
    await alice.client.send('before');
    await bob.until(() => bob.texts.length === 1);
    await town.restart(async () => {
      for (const text of ['while', 'it was', 'away']) await alice.client.send(text);
    });
    await alice.client.send('after');
    await alice.client.flush();
    await bob.until(() => bob.texts.length === 5);
    assert.deepEqual(bob.texts, ['before', 'while', 'it was', 'away', 'after']);
    const offline = states.find((state) => state.phase === 'offline');
    assert.ok(
      offline?.phase === 'offline' && ['CHAT_UNAVAILABLE', 'CHAT_HUNG_UP'].includes(offline.reason.code),
    );
    assert.equal(states.at(-1)?.phase, 'online');
    assert.deepEqual(bob.codes, []);
  });

  it('heals a server whose data was brought back from a copy', async () => {
    await using town = await Town.open('disk');
    const [data, copy] = [join(town.room.directory, 'server'), join(town.room.directory, 'copy')];
    const alice = await town.room.client(town.address, { name: 'alice' });
    const bob = await town.room.client(town.address, { name: 'bob' });
    alice.client.start();
    bob.client.start();
    const say = async (...texts: string[]) => {
      for (const text of texts) await alice.client.send(text);
      await alice.client.flush();
    };
    await say('one', 'two');
    await town.restart(async () => cpSync(data, copy, { recursive: true }));
    await say('three', 'four');
    await bob.until(() => bob.texts.length === 4);
    await town.restart(async () => {
      rmSync(data, { recursive: true });
      cpSync(copy, data, { recursive: true });
    });
    await say('five');
    await bob.until(() => bob.texts.length === 5);
    const carol = await town.room.client(town.address, { name: 'carol' });
    carol.client.start();
    await carol.until(() => carol.texts.length === 5);
    for (const { texts } of [bob, carol]) assert.deepEqual(texts, ['one', 'two', 'three', 'four', 'five']);
    assert.deepEqual([...alice.codes, ...carol.codes], ['SERVER_FORGOT']);
  });

  it('tells who comes and goes, and their names once they have spoken', async () => {
    await using town = await Town.open();
    const alice = await town.room.client(town.address, { name: 'alice' });
    const seen: Presence[] = [];
    alice.client.on('presence', (presence) => seen.push(presence));
    alice.client.start();
    await once(alice.client, 'company');
    const bob = await town.room.client(town.address, { name: 'bob' });
    bob.client.start();
    await alice.until(() => seen.length === 1);
    await bob.client.send('hello');
    await alice.until(() => alice.texts.length === 1);
    const member = bob.client.member;
    assert.deepEqual(seen, [{ member, name: undefined, present: true }]);
    assert.deepEqual(alice.client.present, [{ member, name: 'bob', present: true }]);
    await bob.client.close();
    await alice.until(() => seen.length === 2);
    assert.deepEqual(seen[1], { member, name: 'bob', present: false });
    assert.deepEqual(alice.client.present, []);
    assert.equal(alice.client.knownMembers.get(member), 'bob');
  });

  it('gives both the same safety number', async () => {
    await using town = await Town.open();
    const alice = await town.room.client(town.address, { name: 'alice' });
    const bob = await town.room.client(town.address, { name: 'bob' });
    const number = await alice.client.safetyNumber(bob.client.member);
    assert.match(number!, /^\d{5}( \d{5}){11}$/);
    assert.equal(await bob.client.safetyNumber(alice.client.member), number);
    assert.equal(await alice.client.safetyNumber('no id'), undefined);
  });
});

describe('a client that is started again', () => {
  it('sends what it had not sent, and shows nothing twice', async () => {
    await using town = await Town.open();
    const bob = await town.room.client(town.address, { name: 'bob' });
    bob.client.start();
    const offline = await town.room.client(town.address, { name: 'alice' });
    for (const text of ['one', 'two']) await offline.client.send(text);
    assert.equal(offline.client.unacknowledged, 2);
    await offline.client.close();

    const alice = await town.room.client(town.address, { name: 'alice' });
    assert.equal(alice.client.member, offline.client.member);
    assert.equal(alice.client.lastSent, 2);
    assert.deepEqual(await alice.client.send('three'), { n: 3 });
    alice.client.start();
    await alice.client.flush();
    await bob.until(() => bob.texts.length === 3);
    assert.deepEqual(bob.texts, ['one', 'two', 'three']);
    await bob.client.close();

    const again = await town.room.client(town.address, { name: 'bob' });
    again.client.start();
    await alice.client.send('four');
    await again.until(() => again.texts.length === 1);
    assert.deepEqual(again.texts, ['four']);
    assert.deepEqual(again.codes, []);
  });

  it('shows again what was not confirmed, and says so', async () => {
    await using town = await Town.open();
    const alice = await town.room.client(town.address, { name: 'alice' });
    alice.client.start();
    for (const text of ['one', 'two', 'three']) await alice.client.send(text);
    await alice.client.flush();
    const first = await town.room.client(town.address, { name: 'bob', autoConfirm: false });
    first.client.start();
    await first.until(() => first.texts.length === 3);
    first.client.confirm(1);
    await first.client.close();
    await alice.client.send('four');
    await alice.client.flush();

    const second = await town.room.client(town.address, { name: 'bob', autoConfirm: false });
    second.client.start();
    await second.until(() => second.texts.length === 3);
    assert.deepEqual(
      second.messages.map(({ text, again }) => [text, again]),
      [
        ['two', true],
        ['three', true],
        ['four', false],
      ],
    );
    second.client.confirm(4);
    await second.client.close();

    const third = await town.room.client(town.address, { name: 'bob' });
    third.client.start();
    await once(third.client, 'caughtUp');
    assert.deepEqual(third.texts, []);
  });

  it('shows what was not confirmed behind what was, and without a server if nothing else is asked for', async () => {
    await using town = await Town.open();
    const alice = await town.room.client(town.address, { name: 'alice' });
    alice.client.start();
    for (const text of ['one', 'two', 'three']) await alice.client.send(text);
    await alice.client.flush();
    const first = await town.room.client(town.address, { name: 'bob', autoConfirm: false });
    first.client.start();
    await first.until(() => first.texts.length === 3);
    await first.client.confirm(1);
    await first.client.close();

    const nowhere = parseServerAddress('127.0.0.1:1');
    const offline = await town.room.client(nowhere, { name: 'bob', autoConfirm: false });
    offline.client.start();
    await offline.until(() => offline.texts.length === 2);
    assert.deepEqual(
      offline.messages.map(({ text, from, again, member }) => [text, from, again, member]),
      ['two', 'three'].map((text) => [text, 'alice', true, alice.client.member]),
    );
    await offline.client.close();

    const marks = async (options: { recent?: number; since?: number }) => {
      const back = await town.room.client(town.address, { name: 'bob', autoConfirm: false, ...options });
      back.client.start();
      await once(back.client, 'caughtUp');
      await back.client.close();
      assert.deepEqual(back.codes, []);
      return back.messages.map(
        ({ text, old, again }) => `${text}${old ? ' old' : ''}${again ? ' again' : ''}`,
      );
    };
    assert.deepEqual(await marks({ recent: 5 }), ['one old', 'two again', 'three again']);
    assert.deepEqual(await marks({ since: 0 }), ['one', 'two again', 'three again']);
    assert.deepEqual(await marks({ since: 2 }), ['three again']);
  });

  it('shows from where it is told, and what it wrote itself', async () => {
    await using town = await Town.open();
    const alice = await town.room.client(town.address, { name: 'alice' });
    alice.client.start();
    for (const text of ['one', 'two', 'three']) await alice.client.send(text);
    await alice.client.flush();
    await alice.client.close();
    for (const [since, expected] of [
      [0, ['one', 'two', 'three']],
      [1, ['two', 'three']],
      [99, []],
    ] as const) {
      for (const name of ['alice', `new ${since}`]) {
        const reader = await town.room.client(town.address, { name, since });
        reader.client.start();
        await once(reader.client, 'caughtUp');
        assert.deepEqual(reader.texts, expected, `${name} since ${since}`);
        assert.ok(reader.messages.every(({ own }) => own === (name === 'alice')));
        assert.deepEqual(reader.codes, []);
        await reader.client.close();
      }
    }
    const back = await town.room.client(town.address, { name: 'alice' });
    back.client.start();
    assert.deepEqual(await back.client.send('four'), { n: 4 });
    await back.client.flush();
    assert.deepEqual(back.codes, []);
  });

  it('shows the last messages once more above what is new, if it is told to', async () => {
    await using town = await Town.open();
    const alice = await town.room.client(town.address, { name: 'alice' });
    const bob = await town.room.client(town.address, { name: 'bob' });
    bob.client.start();
    alice.client.start();
    for (const text of ['one', 'two', 'three']) await alice.client.send(text);
    await bob.until(() => bob.texts.length === 3);
    await bob.client.send('mine');
    await bob.client.flush();
    await bob.client.close();
    await alice.client.send('four');
    await alice.client.flush();
    for (const [recent, expected] of [
      [3, ['two old', 'three old', 'mine old', 'four']],
      [99, ['one old', 'two old', 'three old', 'mine old', 'four old']],
      [0, []],
    ] as const) {
      const back = await town.room.client(town.address, { name: 'bob', recent });
      back.client.start();
      await once(back.client, 'caughtUp');
      assert.deepEqual(
        back.messages.map(({ text, old }) => (old ? `${text} old` : text)),
        expected,
      );
      assert.deepEqual(
        back.messages.filter(({ own }) => own).map(({ text }) => text),
        recent > 0 ? ['mine'] : [],
      );
      assert.deepEqual(back.codes, []);
      await back.client.close();
    }
  });

  it('hides members for as long as its user wants, and forgets the room for good', async () => {
    await using town = await Town.open();
    const first = await town.room.client(town.address);
    const other = 'ab'.repeat(32);
    await first.client.hide(other, true);
    await first.client.hide('cd'.repeat(32), true);
    await first.client.hide('cd'.repeat(32), false);
    await assert.rejects(first.client.hide('ab', true), RangeError);
    assert.deepEqual([...first.client.hidden], [other]);
    await first.client.close();
    await assert.rejects(first.client.hide(other, false), { code: 'CHAT_CLOSED' });
    await assert.rejects(first.client.forget(), { code: 'CHAT_CLOSED' });

    const second = await town.room.client(town.address);
    assert.deepEqual([...second.client.hidden], [other]);
    second.client.start();
    await second.client.send('sent');
    await second.client.flush();
    void second.client.send('not sent').catch(() => {});
    await second.client.forget();
    await second.client.close();
    assert.equal(existsSync(second.client.statePath), false);

    const third = await town.room.client(town.address);
    assert.notEqual(third.client.member, second.client.member);
    assert.deepEqual([...third.client.hidden, ...(await third.client.history(99, 99))], []);
    assert.equal(third.client.unacknowledged, 0);
  });

  it('hands over no more than is confirmed in time', async () => {
    await using town = await Town.open();
    const alice = await town.room.client(town.address, { name: 'alice' });
    alice.client.start();
    for (let index = 0; index < 1100; index += 1) void alice.client.send(`${index}`);
    await alice.client.flush();
    const bob = await town.room.client(town.address, { name: 'bob', autoConfirm: false });
    bob.client.start();
    await bob.until(() => bob.texts.length === 1024);
    bob.client.confirm(1000);
    await bob.until(() => bob.texts.length === 1100);
    assert.deepEqual(
      bob.texts,
      Array.from({ length: 1100 }, (_, index) => `${index}`),
    );
  });
});

describe('sending', () => {
  it('refuses texts that are too long or no text, and names the limit', async () => {
    await using town = await Town.open();
    const { client } = await town.room.client(town.address);
    await assert.rejects(client.send('x'.repeat(MAX_TEXT_BYTES + 1)), {
      code: 'CHAT_TEXT_TOO_LONG',
      message: /65536/,
    });
    await assert.rejects(client.send('\ud800'), { code: 'CHAT_TEXT_MALFORMED' });
    assert.deepEqual(await client.send('x'.repeat(MAX_TEXT_BYTES)), { n: 1 });
  });

  it('waits while the outbox is full, and goes on when it is not', async () => {
    await using town = await Town.open();
    const { client } = await town.room.client(town.address);
    let stored = 0;
    const sends = Array.from({ length: 1100 }, () =>
      client.send('x').then(() => {
        stored += 1;
      }),
    );
    await Promise.all(sends.slice(0, 1024));
    assert.ok(stored < 1100);
    client.start();
    await Promise.all(sends);
    await client.flush();
    assert.equal(client.unacknowledged, 0);
  });

  it('refuses names that are none', async () => {
    await using room = await RoomFixture.open();
    for (const name of [
      '',
      ' ',
      ' bob',
      'bob\n',
      'a\u001b[2Jb',
      'b\u202eob',
      '\ud800',
      'x'.repeat(65),
      '\u2800',
      '\u3164',
      '\u0301',
      'b\u200bob',
    ]) {
      await assert.rejects(room.client(parseServerAddress('127.0.0.1:1'), { name }), {
        code: 'CHAT_NAME_INVALID',
      });
    }
  });

  it('fails when the client is closed', async () => {
    await using room = await RoomFixture.open();
    const { client } = await room.client(parseServerAddress('127.0.0.1:1'));
    await client.send('one');
    const flushed = assert.rejects(client.flush(), { code: 'CHAT_CLOSED' });
    const sent = assert.rejects(client.send('two'), { code: 'CHAT_CLOSED' });
    await client.close();
    await Promise.all([flushed, sent]);
    await assert.rejects(client.send('three'), { code: 'CHAT_CLOSED' });
  });

  it('stops for good when the crypto device fails', async () => {
    await using room = await RoomFixture.open();
    const { client, fatal } = await room.client(parseServerAddress('127.0.0.1:1'));
    await client.send('one');
    await room.device.close();
    await assert.rejects(client.send('two'), { code: 'CHAT_CRYPTO_FAILED' });
    assert.equal((await fatal).code, 'CHAT_CRYPTO_FAILED');
  });
});

describe('a connection', () => {
  it('to where nobody listens is tried again and again, ever more slowly', async () => {
    await using room = await RoomFixture.open();
    const unused = createServer().listen(0, '127.0.0.1');
    await onceOf(unused, 'listening');
    const { port } = unused.address() as AddressInfo;
    unused.close();
    const { client } = await room.client(parseServerAddress(`127.0.0.1:${port}`));
    const reasons: string[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    client.on('state', (state) => {
      if (state.phase === 'offline') reasons.push(state.reason.code);
      if (state.phase === 'connecting' && state.attempt === 4) resolve();
    });
    client.start();
    await promise;
    assert.deepEqual(reasons, ['CHAT_UNREACHABLE', 'CHAT_UNREACHABLE', 'CHAT_UNREACHABLE']);
  });

  it('waits twice as long each time, spread by half, up to a limit', () => {
    const waits = (random: number) =>
      [1, 2, 3, 10, 2000].map((attempt) => retryDelay(attempt, defaultTuning, random));
    assert.deepEqual(waits(0), [125, 250, 500, 15_000, 15_000]);
    assert.deepEqual(waits(1), [250, 500, 1000, 30_000, 30_000]);
  });

  it('to somebody who says nothing ends when the client is closed', async () => {
    await using room = await RoomFixture.open();
    const mute = createServer(() => {}).listen(0, '127.0.0.1');
    await onceOf(mute, 'listening');
    const { client } = await room.client(
      parseServerAddress(`127.0.0.1:${(mute.address() as AddressInfo).port}`),
    );
    const connected = onceOf(mute, 'connection');
    client.start();
    const [socket] = await connected;
    await client.close();
    assert.equal(client.state.phase, 'closed');
    socket.destroy();
    mute.close();
  });
});

describe('creating a room', () => {
  for (const passphrase of [undefined, 'correct horse battery']) {
    it(`gives an invite with which one can enter (${passphrase === undefined ? 'link' : 'passphrase'})`, async () => {
      await using town = await Town.open();
      const link = formatInvite(
        await createRoom({
          crypto: town.room.crypto,
          server: town.address,
          ...(passphrase !== undefined && { passphrase }),
        }),
      );
      const invite = await parseInvite(town.room.crypto, link);
      await using client = await openNodeClient({
        server: invite.server,
        keys: await openInvite(town.room.crypto, invite, passphrase),
        name: 'alice',
        device: town.room.device,
        stateDirectory: town.room.directory,
        tuning: quick,
      });
      client.start();
      await client.send('hello');
      await client.flush();
    });
  }

  it('says when the server cannot be reached', async () => {
    await assert.rejects(createRoom({ crypto: nodeCrypto(), server: parseServerAddress('127.0.0.1:1') }), {
      code: 'CHAT_UNREACHABLE',
      message: /127\.0\.0\.1:1 cannot be reached/,
    });
  });
});
