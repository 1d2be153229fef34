/** Rooms whose keys are used once and deleted: what the client does of its own accord, it does for them too. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ChatClientOptions } from './chat-client.ts';
import { MemoryDisk } from './memory-store.ts';
import type { StateChange, StateStore } from './state-store.ts';
import { openArena, serve, serveHonestly } from './testing/arena.ts';
import { type RatchetLog, ratchetKind } from './testing/ratchet-kind.ts';
import { type Deliver, once } from './testing/room-fixture.ts';
import { Town } from './testing/town.ts';

/** Somebody with a disk, who can be killed, and of whom all commits are known. */
class Somebody {
  readonly log: RatchetLog = { opened: [], sealed: [] };
  /** In each life. */
  readonly commits: (readonly StateChange[])[][] = [];
  readonly disk: MemoryDisk;
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
    this.disk = new MemoryDisk({ write: () => new Promise((resolve) => setImmediate(resolve)) });
  }

  async open(town: Pick<Town, 'room' | 'address'>, options: Partial<ChatClientOptions> = {}) {
    const openStore = async (...of: Parameters<MemoryDisk['openStore']>) =>
      this.#watched(await this.disk.openStore(...of));
    const kind = ratchetKind(this.log);
    return await town.room.clientIn({ openStore }, town.address, { name: this.#name, kind, ...options });
  }

  #watched(store: StateStore): StateStore {
    const commit = store.commit.bind(store);
    const commits: (readonly StateChange[])[] = [];
    this.commits.push(commits);
    store.commit = (changes, durability) => {
      commits.push(changes);
      return commit(changes, durability);
    };
    return store;
  }
}

type State = { send: { index: number }; receive: Record<string, { index: number }> };

/**
 * A state of the cipher is stored with the place of what was opened, or with what was sealed: what a commit's state has of messages that
 * were opened, their acceptance is stored with or before. And no state goes back.
 */
function checkStates(commits: readonly (readonly StateChange[])[]): void {
  let last: State | undefined;
  for (const commit of commits) {
    const kinds = new Set(commit.map(({ kind }) => kind));
    if (kinds.has('sealed')) assert.ok(kinds.has('cipher'));
    for (const change of commit) {
      if (change.kind !== 'cipher') continue;
      const state = JSON.parse(new TextDecoder().decode(change.state)) as State;
      if (!kinds.has('place') && last !== undefined) assert.deepEqual(state.receive, last.receive);
      assert.ok(state.send.index >= (last?.send.index ?? 0), 'what was sealed is forgotten');
      for (const [member, { index }] of Object.entries(last?.receive ?? {}))
        assert.ok(state.receive[member]!.index >= index, 'what was opened is forgotten');
      last = state;
    }
  }
}

const isOnce = (list: readonly string[]) => assert.equal(new Set(list).size, list.length);

describe('a room whose keys are deleted', () => {
  it('is read once and in order, both ways at once, over reconnections, kills and repetitions', async () => {
    await using town = await Town.open('disk');
    const [alice, bob] = [new Somebody('alice'), new Somebody('bob')];
    const speaker = await alice.open(town);
    speaker.client.start();
    const seen = new Map<number, string>();
    const told: string[] = [];
    for (let round = 0; round < 6; round += 1) {
      const again = round % 3 === 1 ? { since: 0 } : round % 3 === 2 ? { recent: 5 } : {};
      const reader = await bob.open(town, again);
      reader.client.on('message', ({ key, text }) => {
        assert.equal(seen.get(key) ?? text, text);
        if (!seen.has(key)) told.push(text);
        seen.set(key, text);
      });
      reader.client.start();
      for (let index = 0; index < 20; index += 1) {
        void speaker.client.send(`alice ${round}.${index}`);
        reader.client.send(`bob ${round}.${index}`).catch(() => {});
      }
      const last = `alice ${round}.19`;
      if (round === 2) await town.restart();
      if (round % 2 === 0) {
        await reader.until(() => reader.texts.includes(`alice ${round}.9`));
        bob.disk.kill();
      } else {
        await reader.until(() => reader.texts.includes(last));
        await reader.client.flush();
      }
      assert.deepEqual(reader.codes, []);
      await reader.client.close().catch(() => {});
    }
    await speaker.client.flush();
    const reader = await bob.open(town);
    reader.client.on('message', ({ key, text }) => {
      if (!seen.has(key)) told.push(text);
      seen.set(key, text);
    });
    reader.client.start();
    await once(reader.client, 'caughtUp');
    await reader.client.flush();
    assert.deepEqual([...reader.codes, ...speaker.codes], []);
    const ofAlice = told.filter((text) => text.startsWith('alice'));
    assert.deepEqual(
      ofAlice,
      Array.from({ length: 120 }, (_, at) => `alice ${Math.floor(at / 20)}.${at % 20}`),
    );
    isOnce(alice.log.opened);
    for (const life of [...alice.commits, ...bob.commits]) checkStates(life);
  });

  it('has nothing sealed between a message is opened and that is stored', async () => {
    await using town = await Town.open();
    const [alice, bob] = [new Somebody('alice'), new Somebody('bob')];
    const speaker = await alice.open(town);
    const reader = await bob.open(town);
    speaker.client.start();
    reader.client.start();
    await Promise.all([once(speaker.client, 'caughtUp'), once(reader.client, 'caughtUp')]);
    bob.log.onAccepted = () => void reader.client.send('in between');
    for (let index = 0; index < 10; index += 1) {
      await speaker.client.send(`${index}`);
      await reader.until(() => reader.texts.length === index + 1);
    }
    await reader.client.flush();
    for (const life of bob.commits) checkStates(life);
    assert.deepEqual([...reader.codes, ...speaker.codes], []);
  });

  it('has a draft sealed again, under the next number and by the next key, if its number is taken', async () => {
    await using all = await openArena();
    const bob = new Somebody('bob');
    const { client } = await bob.open({ room: all.room, address: all.server.address });
    const watched = { ...all, bob: { ...all.bob, client } } as typeof all;
    client.start();
    await client.send('mine');
    const member = Buffer.from(client.member, 'hex');
    const other: Deliver = { type: 'deliver', seq: 1, time: 0, member, n: 1, envelope: new Uint8Array(9) };
    const log = [other];
    const first = await serve(watched, []);
    await first.next('publish');
    first.hangUp();
    // What stands there otherwise is believed the second time.
    await serve(watched, log, { lastN: 1 });
    const believed = await serve(watched, log, { lastN: 1 });
    assert.equal((await believed.next('publish')).n, 2);
    believed.hangUp();
    serveHonestly(watched, log);
    await client.flush();
    assert.equal(log.length, 2);
    const [before, after] = bob.log.sealed;
    assert.deepEqual([before!.n, after!.n, after!.id], [1, 2, before!.id]);
    const index = ({ envelope }: { envelope: Uint8Array }) =>
      JSON.parse(Buffer.from(envelope).toString()).index;
    assert.deepEqual([index(before!), index(after!), index(log[1]!)], [0, 1, 1]);
  });

  it('is not read from its start when the server has forgotten: the client stops, and says so', async () => {
    await using all = await openArena();
    const bob = new Somebody('bob');
    const watched = await bob.open({ room: all.room, address: all.server.address });
    const { client } = watched;
    const arena = { ...all, bob: watched };
    client.start();
    await client.send('mine');
    const log: Deliver[] = [];
    serveHonestly(arena, log);
    await client.flush();
    await client.close();
    const again = await bob.open({ room: all.room, address: all.server.address });
    again.client.start();
    log.length = 0;
    const { code } = await again.fatal;
    assert.equal(code, 'CHAT_SERVER_FORGOT');
  });
});
