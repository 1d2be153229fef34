import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, test } from 'node:test';
import { nodeCaseTools } from '../client/testing/node-case-tools.ts';
import { draft, seedOf, storeCases } from '../client/testing/state-store.cases.ts';
import { type Clock, systemClock } from '../clock.ts';
import { ClientDisk } from './client-disk.ts';
import { SeededRandom } from './seeded-random.ts';
import { SqliteDisk } from './sqlite-disk.ts';

const room = new Uint8Array(16);
/** A commit takes a turn of the event loop. */
const clock: Clock = { ...systemClock, after: (_ms, work) => systemClock.soon(work) };

storeCases(nodeCaseTools, 'SQLite on a simulated disk', async () => {
  const sqlite = new SqliteDisk();
  const disk = new ClientDisk(sqlite, clock, new SeededRandom(1));
  const open = (newSeed = seedOf(1)) => disk.openStore(room, 'bob', newSeed);
  return {
    open,
    killDuring: async (commits) => {
      const store = await open();
      let resolved = 0;
      const all = commits.map((commit) => store.commit(commit, 'strict').then(() => (resolved += 1)));
      await all[6];
      disk.kill();
      const before = resolved;
      await Promise.allSettled(all);
      return before;
    },
    [Symbol.asyncDispose]: async () => sqlite[Symbol.dispose](),
  };
});

describe('a simulated disk with SQLite', () => {
  test('keeps over a kill, and over a loss of power, what was committed, and not what was on its way', async () => {
    using sqlite = new SqliteDisk();
    const disk = new ClientDisk(sqlite, clock, new SeededRandom(1));
    for (const [index, end] of [() => disk.kill(), () => disk.cutPower()].entries()) {
      const store = await disk.openStore(room, 'bob', seedOf(1));
      assert.equal((await store.load()).lastDraft, index);
      await store.commit([draft(index + 1)], 'relaxed');
      const late = store.commit([draft(index + 2)], 'strict');
      end();
      await assert.rejects(late, { code: 'CHAT_STATE_UNUSABLE' });
      await assert.rejects(store.commit([draft(9)], 'strict'), { code: 'CHAT_STATE_UNUSABLE' });
      await assert.rejects(store.load(), { code: 'CHAT_STATE_UNUSABLE' });
    }
    assert.equal((await (await disk.openStore(room, 'bob', seedOf(2))).load()).lastDraft, 2);
    assert.equal(sqlite.opened, 3);
  });

  test('stores nothing of a commit that it was made to fail, nor of those after', async () => {
    using sqlite = new SqliteDisk();
    const disk = new ClientDisk(sqlite, clock, new SeededRandom(1));
    const store = await disk.openStore(room, 'bob', seedOf(1));
    disk.conditions = { latency: 0, failing: 1 };
    await assert.rejects(store.commit([draft(1)], 'strict'), {
      code: 'CHAT_STATE_UNUSABLE',
      message: /made to fail/,
    });
    disk.heal();
    await assert.rejects(store.commit([draft(1)], 'strict'), { code: 'CHAT_STATE_UNUSABLE' });
    await store.close();
    assert.equal((await (await disk.openStore(room, 'bob', seedOf(1))).load()).lastDraft, 0);
  });

  test('is gone with its run, open or not', async () => {
    const sqlite = new SqliteDisk();
    const store = await sqlite.openStore(room, 'bob', seedOf(1));
    assert(existsSync(store.path));
    sqlite[Symbol.dispose]();
    assert.equal(existsSync(sqlite.directory), false);
    await assert.rejects(store.load(), { code: 'CHAT_STATE_UNUSABLE' });
  });
});
