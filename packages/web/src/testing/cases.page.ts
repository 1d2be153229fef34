/** A page for tests: the cases of all that a browser has its own implementation of, and states that are written until it is killed. */
import type { SavedState, StateStore } from '@skytale/chat/client';
import { testChatCrypto } from '@skytale/chat/testing/crypto';
import { type CaseTools, seedOf, storeCases } from '@skytale/chat/testing/state-store';
import { Database } from '../engine/database.ts';
import { MemberStates } from '../engine/indexed-db-store.ts';
import { webCrypto } from '../engine/web-crypto.ts';
import assert from './in-page-assert.ts';
import { describe, it, type Outcome, runAll } from './in-page-test.ts';
import { commitOf } from './store-writer.ts';

const room = new Uint8Array(16).fill(1);
let databases = 0;

const tools: CaseTools = {
  suite: describe,
  test: it,
  same: (actual, expected, message) => assert.deepEqual(actual, expected, message),
  refused: (promise, code) =>
    assert.rejects(promise, (error: { code?: string }) => error.code?.startsWith(code) === true),
};

async function openStates(name: string): Promise<{ database: Database; states: MemberStates }> {
  const database = await Database.open({ name });
  await database.lead();
  return { database, states: new MemberStates(database) };
}

testChatCrypto('WebCrypto', webCrypto());

storeCases(tools, 'IndexedDB', async () => {
  databases += 1;
  const name = `cases ${databases}`;
  let { database, states } = await openStates(name);
  return {
    open: (newSeed = seedOf(1)) => states.openStore(room, 'bob', newSeed),
    async killDuring(commits) {
      const worker = new Worker(new URL('./store-writer.worker.ts', import.meta.url), { type: 'module' });
      let resolved = 0;
      await new Promise<void>((resolve, reject) => {
        worker.onerror = () => reject(new Error('the worker failed'));
        worker.onmessage = () => {
          resolved += 1;
          resolve();
        };
        worker.postMessage({ name, room, commits });
      });
      worker.terminate();
      const before = resolved;
      database.close();
      ({ database, states } = await openStates(name));
      return before;
    },
    [Symbol.asyncDispose]: async () => database.close(),
  };
});

/** What was written there. */
type Written = Pick<SavedState, 'place'> & { readonly keys: number[] };

async function openLasting(): Promise<StateStore> {
  const { states } = await openStates('lasting');
  return await states.openStore(room, 'bob', seedOf(1));
}

/** What became of what the engine that hung writes when it wakes. */
const woken = Promise.withResolvers<unknown>();

Object.assign(globalThis, {
  /** Leads and writes while the engine that led before hangs in the middle of a write. @returns the keys of what is there then */
  async overtake(): Promise<unknown[]> {
    const hanging = new Worker(new URL('./hanging-writer.worker.ts', import.meta.url), { type: 'module' });
    const { promise: writing, resolve: isWriting } = Promise.withResolvers<void>();
    hanging.onmessage = ({ data }) => (data === 'writing' ? isWriting() : woken.resolve(data));
    await writing;
    const database = await Database.open({ name: 'hanging' });
    await database.lead();
    await database.write(
      [{ table: 'messages', key: ['of the second', 1], value: new Uint8Array(1) }],
      'strict',
    );
    return (await database.rows('messages')).map(({ key }) => key);
  },
  woken: () => woken.promise,
  async runTests(): Promise<Outcome[]> {
    const outcomes: Outcome[] = [];
    await runAll((outcome) => outcomes.push(outcome));
    return outcomes;
  },
  /** Commits and tells of each, until it is killed. */
  async writeForEver(tell: (n: number) => Promise<void>): Promise<void> {
    const store = await openLasting();
    for (let n = (await store.load()).place.seq + 1; ; n += 1) {
      await store.commit(commitOf(n), 'strict');
      void tell(n);
    }
  },
  async readWritten(): Promise<Written> {
    const store = await openLasting();
    const { place } = await store.load();
    const keys = (await store.history(Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)).map(
      ({ key }) => key,
    );
    return { place, keys };
  },
});
