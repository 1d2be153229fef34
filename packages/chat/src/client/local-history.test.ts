/** What a client keeps of what it was told and sent, and shows again without a server. */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { parseServerAddress } from '../encryption/server-address.ts';
import type { ChatMessage } from './client-events.ts';
import { LocalHistory } from './local-history.ts';
import { ackOf, openArena, sayAll, serve, serveHonestly, version2 } from './testing/arena.ts';
import { type Deliver, once } from './testing/room-fixture.ts';
import { Town } from './testing/town.ts';

const nowhere = parseServerAddress('127.0.0.1:1');
const ALL = Number.MAX_SAFE_INTEGER;
const textsOf = (messages: readonly ChatMessage[]) => messages.map(({ text }) => text);

describe('the local history', () => {
  it('has what others said and what one sent oneself, in order, without a server', async () => {
    await using town = await Town.open();
    const alice = await town.room.client(town.address, { name: 'alice' });
    const bob = await town.room.client(town.address, { name: 'bob' });
    const acks: number[] = [];
    bob.client.on('ack', ({ key }) => acks.push(key));
    alice.client.start();
    bob.client.start();
    await alice.client.introduce();
    await alice.client.send('one');
    await bob.until(() => bob.texts.length === 1);
    await bob.client.send('mine');
    await bob.client.flush();
    await alice.client.send('two');
    await bob.until(() => bob.texts.length === 2);
    assert.deepEqual(acks, [3]);
    const told = await bob.client.history(ALL, 10);
    await bob.client.close();
    await assert.rejects(bob.client.history(ALL, 10), { code: 'CHAT_CLOSED' });

    const offline = await town.room.client(nowhere, { name: 'bob' });
    const kept = await offline.client.history(ALL, 10);
    assert.deepEqual(kept, told);
    assert.deepEqual(
      kept.map(({ key, seq, text, from, own, old, again }) => [key, seq, text, from, own, old, again]),
      [
        [2, 2, 'one', 'alice', false, true, false],
        [3, 3, 'mine', 'bob', true, true, false],
        [4, 4, 'two', 'alice', false, true, false],
      ],
    );
    assert.deepEqual(textsOf(await offline.client.history(4, 1)), ['mine']);
    assert.deepEqual(textsOf(await offline.client.history(2, 9)), []);
  });

  it('is kept within its bound, and says what of `since` is not kept any more', async () => {
    await using town = await Town.open();
    const alice = await town.room.client(town.address, { name: 'alice' });
    alice.client.start();
    for (let index = 1; index <= 40; index += 1) await alice.client.send(`${index}`);
    await alice.client.flush();
    const options = { name: 'bob', keep: { messages: 8, bytes: 1e6 } };
    const bob = await town.room.client(town.address, options);
    bob.client.start();
    await bob.until(() => bob.texts.length === 40);
    await bob.client.close();
    const back = await town.room.client(nowhere, { ...options, since: 30 });
    assert.deepEqual(textsOf(await back.client.history(ALL, 99)), [
      '33',
      '34',
      '35',
      '36',
      '37',
      '38',
      '39',
      '40',
    ]);
    back.client.start();
    await back.until(() => back.texts.length === 8);
    assert.deepEqual(back.codes, ['NOT_KEPT']);
    assert.match(back.warnings[0]!.text, /up to number 32/);
  });

  it('of which nothing is to be kept, keeps what is not confirmed', async () => {
    await using town = await Town.open();
    const alice = await town.room.client(town.address, { name: 'alice', keep: { messages: 0, bytes: 0 } });
    alice.client.start();
    for (const text of ['one', 'two', 'three']) await alice.client.send(text);
    await alice.client.flush();
    assert.deepEqual(await alice.client.history(ALL, 9), []);
    const options = { name: 'bob', autoConfirm: false, keep: { messages: 0, bytes: 0 } };
    const bob = await town.room.client(town.address, options);
    bob.client.start();
    await bob.until(() => bob.texts.length === 3);
    assert.deepEqual(textsOf(await bob.client.history(ALL, 9)), ['one', 'two', 'three']);
    await bob.client.confirm(2);
    assert.deepEqual(textsOf(await bob.client.history(ALL, 9)), ['three']);
  });

  it('is handed over from `since` as fast as it is confirmed, and then what is new', async () => {
    await using town = await Town.open();
    const alice = await town.room.client(town.address, { name: 'alice' });
    alice.client.start();
    const say = async (from: number, to: number) => {
      for (let index = from; index <= to; index += 1) void alice.client.send(`${index}`);
      await alice.client.flush();
    };
    await say(1, 1100);
    const bob = await town.room.client(town.address, { name: 'bob' });
    bob.client.start();
    await bob.until(() => bob.texts.length === 1100);
    await bob.client.close();
    await say(1101, 1102);
    const again = await town.room.client(town.address, { name: 'bob', since: 2, autoConfirm: false });
    again.client.start();
    await again.until(() => again.texts.length >= 1024);
    await again.client.confirm(again.messages.at(-1)!.key);
    await again.until(() => again.texts.length === 1100);
    assert.deepEqual(
      again.texts,
      Array.from({ length: 1100 }, (_, index) => `${index + 3}`),
    );
    assert.ok(again.messages.every(({ old, again }) => !old && !again));
    await again.client.close();

    const closed = await town.room.client(town.address, { name: 'bob', since: 0, autoConfirm: false });
    closed.client.start();
    await closed.until(() => closed.texts.length >= 1024);
    await closed.client.close();
  });

  it('of a state of before there was one, begins with what is not confirmed', async () => {
    await using town = await Town.open();
    const alice = await town.room.client(town.address, { name: 'alice' });
    alice.client.start();
    for (const text of ['one', 'two', 'three']) await alice.client.send(text);
    await alice.client.flush();
    const bob = await town.room.client(town.address, { name: 'bob', autoConfirm: false });
    bob.client.start();
    await bob.until(() => bob.texts.length === 3);
    await bob.client.confirm(2);
    await bob.client.close();
    const database = new DatabaseSync(bob.client.statePath);
    database.exec(`
      CREATE TABLE old (seq INTEGER PRIMARY KEY, record BLOB NOT NULL) STRICT;
      INSERT INTO old SELECT key, record FROM message NATURAL JOIN unconfirmed;
      DROP TABLE message; DROP TABLE unconfirmed; DROP TABLE hidden; ALTER TABLE old RENAME TO message;
      ALTER TABLE member DROP COLUMN forgotten; PRAGMA user_version = 2`);
    database.close();
    const back = await town.room.client(town.address, { name: 'bob', since: 0 });
    back.client.start();
    await once(back.client, 'caughtUp');
    assert.deepEqual(
      back.messages.map(({ text, again }) => [text, again]),
      [['three', true]],
    );
    assert.deepEqual(back.codes, ['NOT_KEPT']);
  });

  it('of a new member who begins late, begins there', async () => {
    await using all = await openArena();
    const log = await sayAll(all, 'one', 'two', 'three');
    const bob = await all.room.client(all.server.address, { name: 'late', since: 2 });
    bob.client.start();
    await serve(all, log);
    await once(bob.client, 'caughtUp');
    assert.deepEqual(bob.texts, ['three']);
    await bob.client.close();
    const again = await all.room.client(all.server.address, { name: 'late', since: 0 });
    again.client.start();
    assert.equal((await serve(all, log)).join.since, 3);
    await once(again.client, 'caughtUp');
    assert.deepEqual([again.texts, again.codes], [['three'], ['NOT_KEPT']]);
  });

  it('keeps what was read in its order, whatever places somebody invents and the server forgets', async () => {
    await using all = await openArena();
    const far = 134_217_783;
    const log = await sayAll(all, 'one', 'two', 'three');
    all.bob.client.start();
    const lie = () => serve(all, [log[0]!, { ...log[1]!, seq: far }], { head: far });
    await lie();
    const believed = await lie();
    await all.bob.until(() => all.bob.texts.length === 2);
    believed.hangUp();
    serveHonestly(all, log);
    await all.bob.until(() => all.bob.texts.length === 3);
    await all.bob.client.send('mine');
    await all.bob.client.flush();
    const kept = await all.bob.client.history(ALL, 9);
    assert.deepEqual(
      kept.map(({ key, seq, text }) => [key, seq, text]),
      [
        [1, 1, 'one'],
        [far, far, 'two'],
        [far + 1, 3, 'three'],
        [far + 2, 4, 'mine'],
      ],
    );
    assert.deepEqual(
      all.bob.messages.map(({ key }) => key),
      [1, far, far + 1],
    );
  });

  it('has one’s own message once, however often it has to be sent', async () => {
    await using all = await openArena();
    const { bob } = all;
    bob.client.start();
    await bob.client.send('mine');
    const swallowing = await serve(all, [], {}, version2);
    swallowing.send(await ackOf(await swallowing.next('publish'), 1));
    await bob.client.flush();
    swallowing.hangUp();
    const log: Deliver[] = [];
    serveHonestly(all, log, version2);
    await bob.until(() => bob.codes.length === 1);
    while (log.length === 0 || bob.client.unacknowledged > 0) await once(bob.client, 'ack');
    assert.deepEqual(bob.codes, ['SERVER_FORGOT']);
    assert.deepEqual(textsOf(await bob.client.history(ALL, 9)), ['mine']);
  });

  it('has one’s own message once whose acknowledgement was lost', async () => {
    await using all = await openArena();
    const { bob } = all;
    bob.client.start();
    await bob.client.send('mine');
    const log: Deliver[] = [];
    const losing = await serve(all, []);
    const { n, envelope } = await losing.next('publish');
    log.push({
      type: 'deliver',
      seq: 1,
      time: 0,
      member: Buffer.from(bob.client.member, 'hex'),
      n,
      envelope,
    });
    await bob.client.close();
    losing.hangUp();
    const back = await all.room.client(all.server.address, { autoConfirm: false });
    back.client.start();
    await serve(all, log, { lastN: 1 });
    await back.until(() => back.texts.length === 1);
    assert.deepEqual(textsOf(await back.client.history(ALL, 9)), ['mine']);
    await back.client.close();
    const third = await all.room.client(nowhere);
    third.client.start();
    await third.until(() => third.texts.length === 1);
    assert.deepEqual(
      third.messages.map(({ key, own, again }) => [key, own, again]),
      [[1, true, true]],
    );
  });

  it('does not let an invented place use up its keys', () => {
    const saved = { lastKey: 7, forgotten: 0 };
    const history = new LocalHistory({ saved, bound: undefined } as never);
    assert.equal(history.nextKey(9), 9);
    assert.equal(history.nextKey(Number.MAX_SAFE_INTEGER), 10);
    assert.equal(history.nextKey(3), 11);
  });
});
