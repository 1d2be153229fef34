import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemoryDisk } from './memory-store.ts';
import { nodeCaseTools } from './testing/node-case-tools.ts';
import { draft, seedOf, storeCases } from './testing/state-store.cases.ts';

const room = new Uint8Array(16);

storeCases(nodeCaseTools, 'memory', async () => {
  let written = 0;
  const disk = new MemoryDisk({
    write: async () => {
      written += 1;
    },
  });
  const open = (newSeed = seedOf(1)) => disk.openStore(room, 'bob', newSeed);
  return {
    open,
    killDuring: async (commits) => {
      const store = await open();
      let resolved = 0;
      const all = commits.map((commit) => store.commit(commit, 'strict').then(() => (resolved += 1)));
      while (written < 7) await Promise.resolve();
      disk.kill();
      const before = resolved;
      await Promise.allSettled(all);
      return before;
    },
    [Symbol.asyncDispose]: async () => {},
  };
});

describe('a disk in memory', () => {
  it('loses what was not written when its process is killed, and what was relaxed when power is cut', async () => {
    const gates: (() => void)[] = [];
    let slow = false;
    const write = () => (slow ? new Promise<void>((resolve) => gates.push(resolve)) : Promise.resolve());
    const disk = new MemoryDisk({ write });
    const drafts = async () => {
      const store = await disk.openStore(room, 'bob', seedOf(1));
      const { lastDraft } = await store.load();
      await store.close();
      return lastDraft;
    };
    const store = await disk.openStore(room, 'bob', seedOf(1));
    await store.commit([draft(1)], 'strict');
    await store.commit([draft(2)], 'relaxed');
    slow = true;
    const lost = assert.rejects(store.commit([draft(3)], 'strict'), { code: 'CHAT_STATE_UNUSABLE' });
    await Promise.resolve();
    disk.kill();
    slow = false;
    for (const open of gates) open();
    await lost;
    assert.equal(await drafts(), 2);
    disk.cutPower();
    assert.equal(await drafts(), 1);
  });

  it('can hold more messages than a call can have arguments', async () => {
    const disk = new MemoryDisk();
    const store = await disk.openStore(room, 'bob', seedOf(1));
    const count = 300_000;
    const record = new Uint8Array(1);
    await store.commit(
      Array.from({ length: count }, (_, index) => ({
        ...({ kind: 'message', handedOver: false } as const),
        key: index + 1,
        record,
      })),
      'strict',
    );
    assert.equal((await store.load()).lastKey, count);
  });

  it('refuses what it is told to, and all that comes after', async () => {
    let full = false;
    const disk = new MemoryDisk({
      write: async () => {
        if (full) throw new Error('no space');
      },
    });
    const store = await disk.openStore(room, 'bob', seedOf(1));
    full = true;
    await assert.rejects(store.commit([draft(1)], 'strict'), {
      code: 'CHAT_STATE_UNUSABLE',
      message: /no space/,
    });
    full = false;
    await assert.rejects(store.commit([draft(1)], 'strict'), { code: 'CHAT_STATE_UNUSABLE' });
  });

  it('can be copied: what happens to the one does not happen to the other', async () => {
    const disk = new MemoryDisk();
    const store = await disk.openStore(room, 'bob', seedOf(1));
    await store.commit([draft(1)], 'strict');
    const copy = await disk.copy().openStore(room, 'bob', seedOf(2));
    await store.commit([draft(2)], 'strict');
    assert.equal((await copy.load()).lastDraft, 1);
    assert.deepEqual((await copy.load()).seed, (await store.load()).seed);
  });
});
