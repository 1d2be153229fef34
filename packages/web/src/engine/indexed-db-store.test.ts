import 'fake-indexeddb/auto';
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nodeCaseTools } from '@skytale/chat/testing/node-case-tools';
import { seedOf, storeCases } from '@skytale/chat/testing/state-store';
import { commitAll } from '../testing/store-writer.ts';
import { Database } from './database.ts';
import { MemberStates } from './indexed-db-store.ts';

const room = new Uint8Array(16).fill(1);
let databases = 0;

function newName(): string {
  databases += 1;
  return `test ${databases}`;
}

async function openDatabase(name = newName()): Promise<Database> {
  const database = await Database.open({ name });
  await database.lead();
  return database;
}

describe('a database', () => {
  it('that is made anew where one was cleared away has a later generation than that ever had', async () => {
    const name = newName();
    const before = await Database.open({ name });
    for (let led = 0; led < 3; led += 1) await before.lead();
    const last = await before.lead();
    before.close();
    await new Promise<void>((resolve, reject) => {
      const request = indexedDB.deleteDatabase(name);
      request.onsuccess = () => resolve();
      request.onerror = () => reject(request.error);
    });
    // A generation more for each millisecond is more than any browser can.
    while (Date.now() < last) await new Promise((resolve) => setImmediate(resolve));
    const after = await Database.open({ name });
    assert.ok((await after.lead()) > last);
    after.close();
  });
});

storeCases(nodeCaseTools, 'IndexedDB', async () => {
  const name = newName();
  let states = new MemberStates(await openDatabase(name));
  return {
    open: (newSeed = seedOf(1)) => states.openStore(room, 'bob', newSeed),
    // Another engine takes over in the middle, after which this one is as dead as it can be here.
    async killDuring(commits) {
      const store = await states.openStore(room, 'bob', seedOf(1));
      let resolved = 0;
      const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
      const all = commitAll(store, commits, () => {
        resolved += 1;
        begin();
      });
      await begun;
      states = new MemberStates(await openDatabase(name));
      const before = resolved;
      await all.catch(() => {});
      return before;
    },
    [Symbol.asyncDispose]: async () => {},
  };
});

describe('a database of the engine', () => {
  const seed = () => new Uint8Array(32).fill(0xa5);

  it('has nothing of an identity in the clear', async () => {
    const database = await openDatabase();
    const store = await new MemberStates(database).openStore(room, 'a name', seed);
    const member = new Uint8Array(32).fill(0xb6);
    await store.commit(
      [
        {
          kind: 'sender',
          sender: { member, n: 1, name: 'somebody', mayJump: false, drafts: new Uint8Array(0) },
        },
        { kind: 'place', seq: 3, hash: new Uint8Array(32).fill(0xc7), complete: true },
      ],
      'strict',
    );
    const rows = [...(await database.rows('states')), ...(await database.rows('senders'))];
    const all = Buffer.from(
      rows.flatMap(({ value }) =>
        value instanceof Uint8Array ? [...value] : [...value.identity, ...value.progress],
      ),
    );
    for (const secret of [
      Buffer.from(seed()),
      Buffer.from('a name'),
      Buffer.from(member),
      Buffer.from('somebody'),
    ])
      assert.equal(all.includes(secret), false);
    assert.equal(all.includes(Buffer.alloc(32, 0xc7)), false);
    assert.equal(all.length > 200, true);
  });

  it('takes no row for another', async () => {
    const database = await openDatabase();
    const row = await database.seal('rooms', 'one', new Uint8Array([1, 2, 3]));
    assert.deepEqual(await database.unseal('rooms', 'one', row), new Uint8Array([1, 2, 3]));
    for (const damaged of [
      row.with(0, row[0]! ^ 1),
      row.with(20, row[20]! ^ 1),
      row.slice(0, -1),
      row.slice(0, 5),
    ])
      await assert.rejects(database.unseal('rooms', 'one', damaged), { code: 'CHAT_STATE_CORRUPT' });
    await assert.rejects(database.unseal('rooms', 'other', row), { code: 'CHAT_STATE_CORRUPT' });
    await assert.rejects(database.unseal('senders', ['one', 1], row), { code: 'CHAT_STATE_CORRUPT' });
  });

  it('writes nothing for an engine that was deposed', async () => {
    const name = 'deposed';
    const old = await openDatabase(name);
    const store = await new MemberStates(old).openStore(room, 'bob', seed);
    await old.write([{ table: 'messages', key: ['x', 1], value: new Uint8Array(1) }], 'strict');
    assert.equal(await old.isDeposed(), false);
    const young = await openDatabase(name);
    assert.equal(await old.isDeposed(), true);
    const place = { kind: 'place', seq: 1, hash: undefined, complete: true } as const;
    await assert.rejects(store.commit([place], 'strict'), { code: 'CHAT_STATE_IN_USE' });
    await assert.rejects(old.write([{ table: 'messages', remove: ['x', 1] }], 'relaxed'), {
      code: 'CHAT_STATE_IN_USE',
    });
    assert.equal((await young.rows('messages')).length, 1);
    const again = await new MemberStates(young).openStore(room, 'bob', seed);
    assert.equal((await again.load()).place.seq, 0);
  });

  it('takes nothing of a write of which one row cannot be', async () => {
    const database = await openDatabase();
    const good = { table: 'messages', key: ['x', 1] as [string, number], value: 1 } as const;
    const bad = { ...good, key: ['x', Number.NaN] as [string, number] } as const;
    await assert.rejects(database.write([good, bad], 'strict'), { code: 'CHAT_STATE_UNUSABLE' });
    assert.deepEqual(await database.rows('messages'), []);
  });

  it('refuses more states of a room than there may be, and not as if another engine led', async () => {
    const states = new MemberStates(await openDatabase());
    for (let at = 0; at < 64; at += 1) await states.openStore(room, `name ${at}`, seed);
    await assert.rejects(states.openStore(room, 'one more', seed), { code: 'CHAT_STATE_UNUSABLE' });
    const again = await states.openStore(new Uint8Array(16).fill(9), 'one more', seed);
    await again.close();
  });

  it('forgets a room, and no other', async () => {
    const database = await openDatabase();
    const states = new MemberStates(database);
    const others = new Uint8Array(16).fill(2);
    for (const id of [room, others]) {
      const store = await states.openStore(id, 'bob', seed);
      await store.commit(
        [
          { kind: 'message', key: 1, record: new Uint8Array(9), handedOver: false },
          { kind: 'draft', draft: 1, id: new Uint8Array(16), record: new Uint8Array(9) },
          {
            kind: 'sender',
            sender: {
              member: new Uint8Array(32),
              n: 1,
              name: 'x',
              mayJump: false,
              drafts: new Uint8Array(0),
            },
          },
        ],
        'strict',
      );
      await store.close();
    }
    await database.write(states.removal(room), 'strict');
    for (const table of ['states', 'senders', 'messages', 'drafts'] as const) {
      const keys = (await database.rows(table)).map(({ key }) => String(key));
      assert.equal(keys.length, 1, table);
      assert.equal(keys[0]!.startsWith('02'), true, table);
    }
  });
});
