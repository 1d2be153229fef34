/** Texts that a server does not take: they are named and kept, and the rest goes on. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { SetAside } from './client-events.ts';
import { type Arena, openArena, openArenaOf, serve, serveHonestly } from './testing/arena.ts';
import { type Deliver, once, type WatchedClient } from './testing/room-fixture.ts';

const long = 'x'.repeat(3000);
const small = { maxFrame: 1024 };

/** The texts of a room as a new member reads them. */
async function textsIn(all: Arena, log: readonly Deliver[]): Promise<string[]> {
  const name = `reader ${log.length}`;
  const reader = await all.room.client(all.server.address, { name });
  reader.client.start();
  await serve(all, log);
  await once(reader.client, 'caughtUp');
  assert.deepEqual(reader.codes, []);
  await reader.client.close();
  return reader.texts;
}

function setAsides({ client }: WatchedClient): SetAside[] {
  const told: SetAside[] = [];
  client.on('setAside', (draft) => told.push(draft));
  return told;
}

/** Serves so many connections that say how much they take, until the client hangs up. */
async function refuseLong(all: Arena, times: number, lastN = 0): Promise<void> {
  for (let round = 0; round < times; round += 1) {
    const connection = await serve(all, [], { lastN }, small);
    await connection.closed;
  }
}

describe('a text that is too long for the server', { timeout: 60_000 }, () => {
  it('is set aside when two connections said so, and the others are sent', async () => {
    await using all = await openArena();
    const { bob, room, server } = all;
    const told = setAsides(bob);
    bob.client.start();
    for (const text of ['one', long, 'three']) await bob.client.send(text);
    const log: Deliver[] = [];
    serveHonestly(all, log, small);
    await bob.client.flush();
    await bob.until(() => log.length === 2);
    assert.deepEqual(
      told.map(({ n, text, reason }) => [n, text, reason.code]),
      [[2, long, 'CHAT_TEXT_TOO_LONG']],
    );
    assert.match(told[0]!.reason.message, /too long for this server/);
    assert.equal(bob.client.state.phase, 'online');
    assert.deepEqual(bob.codes, []);
    await bob.client.close();

    // It is there until it is discarded.
    const again = await room.client(server.address);
    assert.deepEqual(
      again.client.setAside.map(({ n, text, id }) => [n, text, id]),
      [[2, long, told[0]!.id]],
    );
    await again.client.discard(told[0]!.id);
    await again.client.discard('nothing');
    assert.deepEqual(again.client.setAside, []);
    await again.client.close();
    const last = await room.client(server.address);
    assert.deepEqual(last.client.setAside, []);
    assert.equal(last.client.lastSent, 3);
    await last.client.close();
  });

  it('is sent after all when only one connection said so', async () => {
    await using all = await openArena();
    const { bob } = all;
    const told = setAsides(bob);
    bob.client.start();
    for (const text of [long, 'two']) await bob.client.send(text);
    await refuseLong(all, 1);
    const log: Deliver[] = [];
    serveHonestly(all, log);
    await bob.client.flush();
    assert.deepEqual(told, []);
    await bob.client.close();
    await using elsewhere = await openArenaOf(all);
    assert.deepEqual(await textsIn(elsewhere, log), [long, 'two']);
  });

  it('under a number already is replaced under that, and what was sealed behind it goes unchanged', async () => {
    await using all = await openArena();
    const { bob } = all;
    const told = setAsides(bob);
    bob.client.start();
    for (const text of ['one', long, 'three']) void bob.client.send(text);
    const first = await serve(all, []);
    const sent = [await first.next('publish'), await first.next('publish'), await first.next('publish')];
    first.hangUp();
    const log: Deliver[] = [];
    serveHonestly(all, log, small);
    await bob.client.flush();
    await bob.until(() => log.length === 3);
    assert.deepEqual(
      told.map(({ n }) => n),
      [2],
    );
    assert.deepEqual([log[0]?.envelope, log[2]?.envelope], [sent[0]?.envelope, sent[2]?.envelope]);
    assert.ok(log[1]!.envelope.length < 1024);
    await bob.client.close();
    await using elsewhere = await openArenaOf(all);
    assert.deepEqual(await textsIn(elsewhere, log), ['one', 'three']);
  });

  it('and was set aside, is not set aside any more when it turns out to have arrived', async () => {
    await using all = await openArena();
    const { bob } = all;
    const acks: number[] = [];
    bob.client.on('ack', ({ n }) => acks.push(n));
    bob.client.start();
    void bob.client.send(long);
    const first = await serve(all, []);
    const { n, envelope } = await first.next('publish');
    first.hangUp();
    const aside = once(bob.client, 'setAside');
    await refuseLong(all, 1);
    const last = await serve(all, [], {}, small);
    await aside;
    assert.equal(bob.client.setAside.length, 1);
    last.hangUp();
    // Somebody kept what was sent first, and lets it through now.
    const member = Buffer.from(bob.client.member, 'hex');
    const log: Deliver[] = [{ type: 'deliver', seq: 1, time: 0, member, n, envelope }];
    serveHonestly(all, log);
    await bob.until(() => bob.client.setAside.length === 0);
    await bob.client.flush();
    assert.deepEqual(acks.includes(1), true);
    assert.deepEqual(bob.codes, []);
  });
});
