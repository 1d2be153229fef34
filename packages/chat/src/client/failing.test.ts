/** What the user's listeners throw, and what a store fails with, leaves nothing half done. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RoomKeys } from '../encryption/key-schedule.ts';
import { ChatClient } from './chat-client.ts';
import { ChatError } from './chat-error.ts';
import type { ConnectionState } from './client-events.ts';
import { MemoryDisk } from './memory-store.ts';
import { nodeEnvironment } from './node/node-client.ts';
import { type Arena, openArena, sayAll, serve, serveHonestly } from './testing/arena.ts';
import { once } from './testing/room-fixture.ts';

/** Carol's client on a disk in memory; what her listeners throw is collected. */
async function openCarol(all: Arena, disk = new MemoryDisk()) {
  const errors: unknown[] = [];
  const openStore = disk.openStore.bind(disk);
  const world = { openStore, listenerFailed: (error: unknown) => errors.push(error) };
  const keys = await all.room.keys();
  const watched = await all.room.clientIn(world, all.server.address, { name: 'carol', keys });
  return { watched, client: watched.client, keys, disk, errors };
}

function refuse(): never {
  throw new Error('not mine');
}

async function areWiped(keys: RoomKeys): Promise<void> {
  await assert.rejects(keys.verification(new Uint8Array(1), 1), /wiped/);
}

describe('a listener that throws', () => {
  it('at a state does not keep the client from connecting, nor from closing', async () => {
    await using all = await openArena();
    const { client, keys, disk, errors } = await openCarol(all);
    const phases: ConnectionState['phase'][] = [];
    client.on('state', refuse);
    client.on('state', ({ phase }) => phases.push(phase));
    client.start();
    (await serve(all, [])).hangUp();
    await serve(all, []);
    await once(client, 'caughtUp');
    await client.close();
    assert.deepEqual(phases, ['connecting', 'online', 'offline', 'connecting', 'online', 'closed']);
    assert.equal(errors.length, phases.length);
    await areWiped(keys);
    const again = await openCarol(all, disk);
    assert.equal(again.client.member, client.member);
  });

  it('at a message keeps none from those behind it, and does not confirm it', async () => {
    await using all = await openArena();
    const { client, watched, disk, errors } = await openCarol(all);
    client.on('message', ({ text }) => text === 'two' && refuse());
    const caughtUp = once(client, 'caughtUp');
    client.start();
    const log = await sayAll(all, 'one', 'two', 'three');
    await serve(all, log);
    await caughtUp;
    await client.close();
    assert.deepEqual(watched.texts, ['one', 'two', 'three']);
    assert.equal(errors.length, 1);
    const again = await openCarol(all, disk);
    again.client.start();
    await again.watched.until(() => again.watched.messages.length === 2);
    const seen = again.watched.messages.map(({ text, again: repeated }) => [text, repeated]);
    assert.deepEqual(seen, [
      ['two', true],
      ['three', true],
    ]);
  });

  it('at what was set aside is not taken for the device: what is behind it is sent', async () => {
    await using all = await openArena();
    const { client, watched, errors } = await openCarol(all);
    client.on('setAside', refuse);
    const fatal: ChatError[] = [];
    client.on('fatal', (error) => fatal.push(error));
    client.start();
    for (const text of ['one', 'x'.repeat(8000), 'three']) await client.send(text);
    serveHonestly({ ...all, bob: watched }, [], { maxFrame: 1600 });
    await client.flush();
    assert.deepEqual([errors.length, fatal], [1, []]);
  });
});

describe('a store', () => {
  it('that fails to close keeps the keys from nothing: they are wiped, and the failure is told', async () => {
    await using all = await openArena();
    const broken = new ChatError('CHAT_STATE_UNUSABLE', 'It is gone.');
    const openStore = async (...member: Parameters<MemoryDisk['openStore']>) => {
      const store = await new MemoryDisk().openStore(...member);
      store.close = () => Promise.reject(broken);
      return store;
    };
    const { server, room } = all;
    const keys = await room.keys();
    const environment = { ...nodeEnvironment({ stateDirectory: room.directory }), openStore };
    const options = { server: server.address, keys, name: 'carol', device: room.device };
    const client = await ChatClient.open(options, environment);
    const phases: ConnectionState['phase'][] = [];
    client.on('state', ({ phase }) => phases.push(phase));
    await assert.rejects(client.close(), broken);
    assert.equal(phases.at(-1), 'closed');
    await areWiped(keys);
  });

  it('that refuses to forget what is discarded is the end, and it is listed still', async () => {
    await using all = await openArena();
    let full = false;
    const disk = new MemoryDisk({
      write: async () => {
        if (full) throw new Error('no space left');
      },
    });
    const { client, watched } = await openCarol(all, disk);
    const aside = once(client, 'setAside');
    client.start();
    await client.send('x'.repeat(8000));
    serveHonestly({ ...all, bob: watched }, [], { maxFrame: 1600 });
    const [{ id }] = await aside;
    full = true;
    await assert.rejects(client.discard(id), { code: 'CHAT_STATE_UNUSABLE' });
    assert.equal(client.setAside.length, 1);
    assert.equal((await watched.fatal).code, 'CHAT_STATE_UNUSABLE');
    await assert.rejects(client.send('more'), { code: 'CHAT_STATE_UNUSABLE' });
  });

  it('that refuses what a connection begins with is the end', async () => {
    await using all = await openArena();
    let full = false;
    const disk = new MemoryDisk({
      write: async () => {
        if (full) throw new Error('no space left');
      },
    });
    const { client, watched } = await openCarol(all, disk);
    client.start();
    full = true;
    // The first places are gone, twice: then it is believed, and stored.
    await (await serve(all, [], { head: 9, first: 5 })).closed;
    await serve(all, [], { head: 9, first: 5 });
    assert.equal((await watched.fatal).code, 'CHAT_STATE_UNUSABLE');
  });
});
