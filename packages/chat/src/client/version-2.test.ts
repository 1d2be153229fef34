/** What the second version of the protocol tells a client besides, and how it speaks to a server of the first. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Frame } from '../protocol/frames.ts';
import type { Unsupported } from './client-events.ts';
import { ackOf, joinedFrame, openArena, sayAll, serve, serveHonestly, version2 } from './testing/arena.ts';
import { sealLater } from './testing/later-content.ts';
import { type Deliver, once } from './testing/room-fixture.ts';

describe('a client of the second version', () => {
  it('says so to a server that knows it, and speaks the first to one that does not', async () => {
    await using all = await openArena();
    const { bob } = all;
    bob.client.start();
    const first = await serve(all, []);
    assert.deepEqual([first.join.version, first.join.capabilities], [1, undefined]);
    first.hangUp();
    const second = await serve(all, [], {}, { highest: 9 });
    assert.deepEqual([second.join.version, second.join.capabilities], [2, []]);
    await once(bob.client, 'caughtUp');
  });

  it('does not take frames of one version on a connection of the other', async () => {
    await using all = await openArena();
    const { bob, server } = all;
    bob.client.start();
    const count: Frame = { type: 'count', members: 3 };
    const damaged: Frame = { type: 'damaged', first: 1, last: 1 };
    for (const frame of [count, damaged]) {
      const connection = await serve(all, []);
      connection.send(frame);
      await connection.closed;
    }
    const connection = await serve(all, [], {}, version2);
    void bob.client.send('one');
    const { n } = await connection.next('publish');
    connection.send({ type: 'ack', n, seq: 1, time: 0 });
    await connection.closed;
    const old = await server.acceptJoin(version2);
    old.send({ type: 'joined', room: all.room.roomId, head: 0, first: 1, lastN: 0 });
    await old.closed;
    assert.equal(bob.client.unacknowledged, 1);
  });

  it('believes an acknowledgement that names what it sent', async () => {
    await using all = await openArena();
    const { bob } = all;
    bob.client.start();
    void bob.client.send('one');
    const connection = await serve(all, [], {}, version2);
    const sent = await connection.next('publish');
    connection.send(await ackOf(sent, 0), await ackOf(sent, 1));
    await bob.client.flush();
    assert.deepEqual(bob.codes, []);
  });

  it('passes over what is damaged at the server when it said so twice, and says it', async () => {
    await using all = await openArena();
    const { bob } = all;
    const log = await sayAll(all, 'one', 'two', 'three', 'four');
    const [one, , , four] = log as [Deliver, Deliver, Deliver, Deliver];
    bob.client.start();
    for (let round = 0; round < 2; round += 1) {
      const connection = await all.server.acceptJoin(version2);
      const { since } = connection.join;
      connection.send(joinedFrame(all, connection.join, { head: 4 }));
      if (since === 0) connection.send(one);
      connection.send({ type: 'damaged', first: 2, last: 3 }, four, { type: 'live', seq: 4 });
    }
    await once(bob.client, 'caughtUp');
    assert.deepEqual(bob.texts, ['one', 'four']);
    assert.deepEqual(bob.codes, ['DAMAGED', 'MISSING']);
    assert.match(bob.warnings[0]!.text, /the messages 2 to 3 of the room is damaged/);
  });

  it('does not miss what somebody only called damaged', async () => {
    await using all = await openArena();
    const { bob } = all;
    const log = await sayAll(all, 'one', 'two');
    bob.client.start();
    const lying = await all.server.acceptJoin(version2);
    lying.send(joinedFrame(all, lying.join, { head: 2 }), { type: 'damaged', first: 1, last: 2 });
    await lying.closed;
    serveHonestly(all, log, version2);
    await bob.until(() => bob.texts.length === 2);
    assert.deepEqual(bob.codes, ['DAMAGED']);
  });

  it('takes its own messages for sent that stand where all is damaged', async () => {
    await using all = await openArena();
    const { bob } = all;
    bob.client.start();
    void bob.client.send('one');
    const first = await serve(all, [], {}, version2);
    const { n } = await first.next('publish');
    first.hangUp();
    for (let round = 0; round < 2; round += 1) {
      const connection = await all.server.acceptJoin(version2);
      connection.send(joinedFrame(all, connection.join, { head: 1, lastN: n }));
      connection.send({ type: 'damaged', first: 1, last: 1 }, { type: 'live', seq: 1 });
    }
    await bob.client.flush();
    assert.deepEqual(bob.codes, ['DAMAGED']);
    await bob.client.close();
    const again = await all.room.client(all.server.address);
    again.client.start();
    const connection = await serve(all, [], { head: 1, lastN: n }, version2);
    void again.client.send('two');
    assert.equal((await connection.next('publish')).n, 2);
    assert.deepEqual(again.codes, []);
  });

  it('is not put off by an acknowledgement behind them, which may come before all is read', {
    timeout: 20_000,
  }, async () => {
    await using all = await openArena();
    const { bob } = all;
    bob.client.start();
    void bob.client.send('one');
    const first = await serve(all, [], {}, version2);
    const { n } = await first.next('publish');
    first.hangUp();
    void bob.client.send('two');
    for (let round = 0; round < 2; round += 1) {
      const connection = await all.server.acceptJoin(version2);
      connection.send(joinedFrame(all, connection.join, { head: 1, lastN: n }));
      connection.send({ type: 'damaged', first: 1, last: 1 });
      if (round === 0) continue;
      connection.send(await ackOf(await connection.next('publish'), 2), { type: 'live', seq: 2 });
    }
    await bob.client.flush();
    assert.deepEqual(bob.codes, ['DAMAGED']);
  });

  it('knows how many are there where not all are named', async () => {
    await using all = await openArena();
    const { bob, alice } = all;
    bob.client.start();
    const connection = await serve(all, [], {}, version2);
    const { member } = alice.cipher;
    const company = once(bob.client, 'company');
    connection.send({ type: 'present', start: true, members: [member] }, { type: 'count', members: 5000 });
    await company;
    await bob.until(() => bob.client.presentCount === 5000);
    assert.equal(bob.client.present.length, 1);
    connection.hangUp();
    await serve(all, [], {}, version2);
    await once(bob.client, 'caughtUp');
    assert.equal(bob.client.presentCount, 1);
  });

  it('tells quietly of a kind of content that only a later version knows', async () => {
    await using all = await openArena();
    const { bob, alice, room } = all;
    const told: Unsupported[] = [];
    bob.client.on('unsupported', (content) => told.push(content));
    const later = await sealLater(room, { kind: 'poll', name: 'carol', at: 0, question: '?' });
    alice.transcript.leaveOut(2);
    const log = [later, await alice.say('two')];
    bob.client.start();
    await serve(all, log, {}, version2);
    await bob.until(() => bob.texts.length === 1);
    const member = Buffer.from(later.member).toString('hex');
    assert.deepEqual(told, [{ seq: 1, member, name: 'carol', kind: 'poll' }]);
    assert.deepEqual(bob.codes, []);
  });
});
