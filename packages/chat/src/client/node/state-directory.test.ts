import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { serialize } from 'node:v8';
import type { StateChange } from '../state-store.ts';
import { firstVersion, secondVersion } from '../testing/earlier-schemas.ts';
import { nodeCaseTools } from '../testing/node-case-tools.ts';
import { draft, sealed, seedOf, storeCases } from '../testing/state-store.cases.ts';
import { SqliteStore } from './sqlite-store.ts';
import { defaultStateDirectory, openState } from './state-directory.ts';

const room = new Uint8Array(16).fill(1);
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'skytale-state-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function open(name = 'bob', newSeed = seedOf(1)): SqliteStore {
  return openState(root, room, name, newSeed);
}

/** Begins commits in another process, and kills that after some. @returns how many had resolved */
async function killDuring(directory: string, commits: readonly (readonly StateChange[])[]): Promise<number> {
  const file = join(directory, 'commits');
  writeFileSync(file, serialize(commits));
  const program = `
    import { readFileSync } from 'node:fs';
    import { deserialize } from 'node:v8';
    import { openState } from ${JSON.stringify(new URL('./state-directory.ts', import.meta.url).href)};
    const commits = deserialize(readFileSync(${JSON.stringify(file)}));
    const store = openState(${JSON.stringify(directory)}, new Uint8Array(16).fill(1), 'bob', () => new Uint8Array(32));
    for (const commit of commits) {
      await store.commit(commit, 'strict');
      process.stdout.write('.');
      await new Promise(setImmediate);
    }
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let resolved = 0;
  child.stdout.on('data', (piece: Buffer) => {
    resolved += piece.length;
    if (resolved >= 3) child.kill('SIGKILL');
  });
  await once(child, 'close');
  return resolved;
}

storeCases(nodeCaseTools, 'a SQLite database', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'skytale-state-'));
  return {
    killDuring: (commits) => killDuring(directory, commits),
    open: async (newSeed = seedOf(1)) => openState(directory, room, 'bob', newSeed),
    [Symbol.asyncDispose]: async () => rmSync(directory, { recursive: true }),
  };
});

/** Tries to open a database as another process does. */
function isLocked(path: string): boolean {
  const program = `
    import { DatabaseSync } from 'node:sqlite';
    const database = new DatabaseSync(${JSON.stringify(path)}, { timeout: 0 });
    try {
      database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE');
      process.stdout.write('free');
    } catch {
      process.stdout.write('locked');
    }`;
  return (
    execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' }) === 'locked'
  );
}

describe('a state directory', () => {
  it('is readable for its owner alone', async () => {
    using store = open();
    await store.commit([draft(1)], 'strict');
    const directory = dirname(store.path);
    assert.equal(statSync(directory).mode & 0o777, 0o700);
    for (const file of readdirSync(directory)) {
      assert.equal(statSync(join(directory, file)).mode & 0o777, 0o600, file);
    }
  });

  it('has another state for another name, and for another room', () => {
    const paths = new Set<string>();
    const names = ['bob', 'Bob', 'bob!', '../bob', 'b\u00f6b', '\u{1f389}', '', 'x'.repeat(64)];
    for (const name of names) {
      using store = open(name);
      assert.equal(dirname(store.path), join(root, 'rooms', '01'.repeat(16)));
      paths.add(store.path);
    }
    using elsewhere = openState(root, new Uint8Array(16), 'bob', seedOf(1));
    paths.add(elsewhere.path);
    assert.equal(paths.size, names.length + 1);
  });

  it('is locked against other processes, also when this one has tried to open it a second time', () => {
    using store = open();
    using other = open();
    assert.notEqual(other.path, store.path);
    assert.equal(SqliteStore.open(store.path, room, seedOf(1)), undefined);
    const alias = join(root, 'alias.db');
    symlinkSync(store.path, alias);
    assert.equal(SqliteStore.open(alias, room, seedOf(1)), undefined);
    assert.equal(isLocked(store.path), true);
    store[Symbol.dispose]();
    assert.equal(isLocked(store.path), false);
  });

  it('is free again when its process was killed, with all that was durable', async () => {
    const program = `
      import { openState } from ${JSON.stringify(new URL('./state-directory.ts', import.meta.url).href)};
      const store = openState(${JSON.stringify(root)}, new Uint8Array(16).fill(1), 'bob', () => new Uint8Array(32).fill(5));
      await store.commit([{ kind: 'draft', draft: 1, id: new Uint8Array(16), record: new Uint8Array(9) }], 'strict');
      process.stdout.write('ready');
      setInterval(() => {}, 1000);`;
    const child: ChildProcess = spawn(process.execPath, ['--input-type=module-typescript', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout!, 'data');
    {
      using second = open('bob', seedOf(6));
      assert.deepEqual((await second.load()).seed, seedOf(6)());
    }
    child.kill('SIGKILL');
    await once(child, 'exit');
    using store = open();
    const { seed, lastDraft } = await store.load();
    assert.deepEqual([seed, lastDraft], [seedOf(5)(), 1]);
  });
});

describe('a state that was wiped', () => {
  it('leaves nothing in its directory', async () => {
    using store = open();
    await store.commit([draft(1)], 'strict');
    await store.wipe();
    assert.deepEqual(readdirSync(dirname(store.path)), []);
  });
});

describe('a state of the second version', () => {
  it('is brought up to date: what is not confirmed is kept, and what was before is not there', async () => {
    const message = (seq: number) => ({ key: seq, record: new Uint8Array(9).fill(seq) });
    for (const [kept, forgotten] of [
      [[], 8],
      [[7, 8], 6],
    ] as const) {
      const path = closed().path;
      rmSync(path);
      const database = new DatabaseSync(path);
      database.exec(secondVersion);
      database
        .prepare('INSERT INTO member VALUES (?, ?, 8, NULL, 1, 0, 1, 1, NULL)')
        .run(room, new Uint8Array(32).fill(5));
      database
        .prepare('INSERT INTO outbox VALUES (1, ?, ?, 1, ?)')
        .run(new Uint8Array(16), new Uint8Array(4), new Uint8Array(5));
      const insert = database.prepare('INSERT INTO message VALUES (?, ?)');
      for (const seq of kept) insert.run(seq, message(seq).record);
      database.close();
      for (let time = 0; time < 2; time += 1) {
        using store = open();
        const state = await store.load();
        assert.deepEqual([state.messages, state.forgotten, state.lastKey], [kept.map(message), forgotten, 8]);
        assert.deepEqual(await store.history(99, 99), kept.map(message));
        assert.deepEqual([state.lastDraft, state.kept.length, state.place.seq], [1, 1, 8]);
      }
    }
  });
});

describe('a state of the first version', () => {
  it('is brought up to date, with all that is in it', async () => {
    const { path } = closed();
    const old = `${path}.old`;
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const seed = new Uint8Array(Buffer.from(privateKey.export({ format: 'jwk' }).d!, 'base64url'));
    const own = new Uint8Array(Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url'));
    const alice = new Uint8Array(32).fill(9);
    {
      const database = new DatabaseSync(old);
      database.exec(firstVersion);
      database.prepare('INSERT INTO member VALUES (?, ?, 8, ?, 0, 10)').run(room, seed, alice);
      const sender = database.prepare('INSERT INTO sender VALUES (?, ?, ?, ?)');
      sender.run(own, 2, 'bob', 0);
      sender.run(alice, 7, 'alice', 1);
      const outbox = database.prepare('INSERT INTO outbox VALUES (?, ?)');
      for (const n of [1, 2, 3, 4]) outbox.run(n, new Uint8Array(300).fill(n));
      database.close();
    }
    renameSync(old, path);
    for (let time = 0; time < 2; time += 1) {
      using store = open();
      const { senders, ...state } = await store.load();
      assert.deepEqual(
        new Set(senders.map(({ name, n, mayJump, drafts }) => `${name} ${n} ${mayJump} ${drafts.length}`)),
        new Set(['bob 2 false 0', 'alice 7 true 0']),
      );
      const pending = (n: number) => ({
        ...{ draft: n, id: undefined, record: undefined },
        sealed: { n, envelope: new Uint8Array(300).fill(n) },
      });
      assert.deepEqual(state, {
        seed,
        place: { seq: 8, hash: alice, complete: false },
        handedOver: 10,
        messages: [],
        lastKey: 8,
        forgotten: 8,
        lastDraft: 4,
        settled: 2,
        outbox: [pending(3), pending(4)],
        kept: [1, 2].map((n) => ({ draft: n, id: undefined, n })),
        setAside: [],
        hidden: [],
        cipher: undefined,
      });
    }
  });

  it('that is damaged is not touched', () => {
    const { path } = closed();
    rmSync(path);
    const database = new DatabaseSync(path);
    database.exec(firstVersion);
    database.close();
    assert.throws(() => open(), { code: 'CHAT_STATE_CORRUPT' });
  });
});

function closed(): SqliteStore {
  using store = open();
  return store;
}

describe('a state that cannot be used', () => {
  async function closedState(): Promise<string> {
    using store = open();
    await store.commit([draft(1), sealed(1)], 'strict');
    return store.path;
  }

  function change(path: string, sql: string): void {
    const database = new DatabaseSync(path);
    database.exec(sql);
    database.close();
  }

  it('because it is no database, is damaged', async () => {
    const path = await closedState();
    writeFileSync(path, 'rubbish '.repeat(1000));
    assert.throws(() => open(), { code: 'CHAT_STATE_CORRUPT', message: /rooms.*Move it away/ });
  });

  for (const [what, sql] of Object.entries({
    'is of another program': 'PRAGMA application_id = 1',
    'has lost its identity': 'DELETE FROM member',
    'has an identity cut short': "UPDATE member SET seed = x'00'",
    'is of another room': "UPDATE member SET room = x'00'",
    'lacks a table': 'DROP TABLE sender',
    'has a place that is none': 'UPDATE member SET seq = -1',
    'has a hash cut short': "UPDATE member SET hash = x'00'",
    'has a sender cut short': "INSERT INTO sender VALUES (x'00', 1, 'x', 0, x'')",
    'has a message with a key that is none':
      "INSERT INTO message VALUES (-1, x'00'); INSERT INTO unconfirmed VALUES (-1)",
    'has a number without an envelope': 'UPDATE outbox SET envelope = NULL',
  })) {
    it(`because it ${what}, says so`, async () => {
      change(await closedState(), sql);
      await assert.rejects(
        async () => {
          using store = open();
          await store.load();
        },
        { code: 'CHAT_STATE_CORRUPT' },
      );
    });
  }

  it('because it is of a newer version, says so', async () => {
    change(await closedState(), 'PRAGMA user_version = 99');
    assert.throws(() => open(), { code: 'CHAT_STATE_NEWER' });
  });

  it('because a file is in the way, says so', () => {
    writeFileSync(join(root, 'rooms'), '');
    assert.throws(() => open(), { code: 'CHAT_STATE_UNUSABLE', message: /rooms/ });
  });

  it('because a directory is in the way, says so', async () => {
    const path = await closedState();
    rmSync(path);
    mkdirSync(path);
    assert.throws(() => open(), { code: 'CHAT_STATE_UNUSABLE' });
  });
});

describe('the usual directory of states', () => {
  it('follows the XDG Base Directory Specification', () => {
    assert.equal(defaultStateDirectory({}, '/home/bob'), '/home/bob/.local/state/skytale');
    assert.equal(defaultStateDirectory({ XDG_STATE_HOME: '/s' }, '/home/bob'), '/s/skytale');
    assert.equal(
      defaultStateDirectory({ XDG_STATE_HOME: 's' }, '/home/bob'),
      '/home/bob/.local/state/skytale',
    );
  });
});
