import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Sender } from '../encryption/transcript.ts';
import { nodeCrypto } from '../node-crypto.ts';
import { defaultStateDirectory, openState } from './state-directory.ts';
import { KEPT_MESSAGES, StateStore } from './state-store.ts';

const room = new Uint8Array(16).fill(1);
const crypto = nodeCrypto();
const alice = await crypto.sha256(Buffer.from('alice'));
const drafts = new Uint8Array(16).fill(7);
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'skytale-state-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function entry(n: number) {
  return { n, envelope: new Uint8Array(300).fill(n) };
}

describe('a state on disk', () => {
  it('remembers identity, outbox, place and senders', async () => {
    const senders = [{ member: alice, n: 4, name: 'alice', mayJump: true, drafts }];
    let own: Sender;
    let id: string;
    {
      using store = await openState(crypto, root, room, 'bob');
      id = store.identity.id;
      own = {
        member: store.identity.key.publicKey,
        n: 1,
        name: 'bob',
        mayJump: false,
        drafts: new Uint8Array(0),
      };
      assert.deepEqual(store.transcript(), { seq: 0, hash: undefined, complete: true, senders: [] });
      store.addToOutbox([entry(1), entry(2), entry(3)]);
      store.handOver(9);
      store.handOver(7);
      store.advance({ seq: 8, hash: alice, complete: false, senders: [...senders, own], acknowledged: 1 });
    }
    using store = await openState(crypto, root, room, 'bob');
    assert.equal(store.identity.id, id);
    assert.equal(store.acknowledged(), 1);
    assert.deepEqual(store.outbox(), [entry(2), entry(3)]);
    const { senders: known, ...place } = store.transcript();
    assert.deepEqual(place, { seq: 8, hash: alice, complete: false });
    assert.deepEqual(new Set(known), new Set([...senders, own]));
    assert.equal(store.handedOver(), 9);
    store.forgetHandedOver();
    assert.equal(store.handedOver(), 0);
  });

  it('keeps the last messages that were acknowledged', async () => {
    using store = await openState(crypto, root, room, 'bob');
    const own = {
      member: store.identity.key.publicKey,
      name: 'bob',
      mayJump: false,
      drafts: new Uint8Array(0),
    };
    const last = KEPT_MESSAGES + 10;
    store.addToOutbox(Array.from({ length: last }, (_, index) => entry(index + 1)));
    const place = { seq: last, hash: alice, complete: true };
    store.advance({ ...place, senders: [{ ...own, n: last - 1 }], acknowledged: last - 1 });
    assert.deepEqual(store.outbox(), [entry(last)]);
    assert.deepEqual(store.outbox(last - 3), [entry(last - 2), entry(last - 1), entry(last)]);
    assert.equal(store.outbox(0)[0]?.n, last - KEPT_MESSAGES);
  });

  it('forgets the private key when it is closed', async () => {
    const store = await openState(crypto, root, room, 'bob');
    store[Symbol.dispose]();
    await assert.rejects(store.identity.key.sign(new Uint8Array(1)), /wiped/);
  });

  it('is readable for its owner alone', async () => {
    using store = await openState(crypto, root, room, 'bob');
    store.addToOutbox([entry(1)]);
    const directory = dirname(store.path);
    assert.equal(statSync(directory).mode & 0o777, 0o700);
    for (const file of readdirSync(directory)) {
      assert.equal(statSync(join(directory, file)).mode & 0o777, 0o600, file);
    }
  });

  it('belongs to one process: the next takes another, with another identity', async () => {
    using one = await openState(crypto, root, room, 'bob');
    using other = await openState(crypto, root, room, 'bob');
    assert.notEqual(one.path, other.path);
    assert.notEqual(one.identity.id, other.identity.id);
    assert.equal(await StateStore.open(crypto, one.path, room), undefined);
  });

  it('is another one for another name, and for another room', async () => {
    const paths = new Set<string>();
    const names = ['bob', 'Bob', 'bob!', '../bob', 'b\u00f6b', '\u{1f389}', '', 'x'.repeat(64)];
    for (const name of names) {
      using store = await openState(crypto, root, room, name);
      assert.equal(dirname(store.path), join(root, 'rooms', '01'.repeat(16)));
      paths.add(store.path);
    }
    using elsewhere = await openState(crypto, root, new Uint8Array(16), 'bob');
    paths.add(elsewhere.path);
    assert.equal(paths.size, names.length + 1);
  });

  it('with unsent messages is taken first', async () => {
    const one = await openState(crypto, root, room, 'bob');
    const other = await openState(crypto, root, room, 'bob');
    other.addToOutbox([entry(1)]);
    one[Symbol.dispose]();
    other[Symbol.dispose]();
    using next = await openState(crypto, root, room, 'bob');
    assert.equal(next.path, other.path);
    using third = await openState(crypto, root, room, 'bob');
    assert.equal(third.path, one.path);
  });

  it('is free again when its process was killed, with all that was durable', async () => {
    const program = `
      import { nodeCrypto } from ${JSON.stringify(new URL('../node-crypto.ts', import.meta.url).href)};
      import { openState } from ${JSON.stringify(new URL('./state-directory.ts', import.meta.url).href)};
      const store = await openState(nodeCrypto(), ${JSON.stringify(root)}, new Uint8Array(16).fill(1), 'bob');
      store.addToOutbox([{ n: 1, envelope: new Uint8Array(300).fill(1) }]);
      process.stdout.write(store.identity.id);
      setInterval(() => {}, 1000);`;
    const child: ChildProcess = spawn(process.execPath, ['--input-type=module-typescript', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [id] = await once(child.stdout!, 'data');
    {
      using second = await openState(crypto, root, room, 'bob');
      assert.notEqual(second.identity.id, String(id));
    }
    child.kill('SIGKILL');
    await once(child, 'exit');
    using store = await openState(crypto, root, room, 'bob');
    assert.equal(store.identity.id, String(id));
    assert.deepEqual(store.outbox(), [entry(1)]);
  });

  it('keeps all of a transaction or nothing', async () => {
    using store = await openState(crypto, root, room, 'bob');
    store.addToOutbox([entry(1)]);
    assert.throws(() => store.addToOutbox([entry(2), entry(1)]), { code: 'CHAT_STATE_UNUSABLE' });
    assert.deepEqual(store.outbox(), [entry(1)]);
    store.addToOutbox([entry(2)]);
  });
});

describe('a state that cannot be used', () => {
  async function closedState(): Promise<string> {
    using store = await openState(crypto, root, room, 'bob');
    store.addToOutbox([entry(1)]);
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
    await assert.rejects(openState(crypto, root, room, 'bob'), {
      code: 'CHAT_STATE_CORRUPT',
      message: /rooms.*Move it away/,
    });
  });

  for (const [what, sql] of Object.entries({
    'is of another program': 'PRAGMA application_id = 1',
    'has lost its identity': 'DELETE FROM member',
    'has an identity cut short': "UPDATE member SET seed = x'00'",
    'is of another room': "UPDATE member SET room = x'00'",
    'has lost a table': 'DROP TABLE outbox',
    'has a sender whose id is cut short': "INSERT INTO sender VALUES (x'00', 1, 'x', 0, x'')",
  })) {
    it(`because it ${what}, says so`, async () => {
      change(await closedState(), sql);
      await assert.rejects(
        async () => {
          using store = await openState(crypto, root, room, 'bob');
          store.transcript();
        },
        { code: 'CHAT_STATE_CORRUPT' },
      );
    });
  }

  it('is brought up to date where an earlier version wrote it', async () => {
    const path = await closedState();
    change(path, 'ALTER TABLE sender DROP COLUMN drafts; PRAGMA user_version = 1');
    change(path, `INSERT INTO sender VALUES (x'${'11'.repeat(32)}', 1, 'x', 0)`);
    for (const time of ['first', 'second']) {
      using store = await openState(crypto, root, room, 'bob');
      assert.equal(store.path, path, time);
      assert.deepEqual(store.outbox(), [entry(1)]);
      assert.deepEqual(
        store.transcript().senders.map((sender) => sender.drafts),
        [new Uint8Array(0)],
      );
    }
  });

  it('because it is of a newer version, says so', async () => {
    change(await closedState(), 'PRAGMA user_version = 99');
    await assert.rejects(openState(crypto, root, room, 'bob'), { code: 'CHAT_STATE_NEWER' });
  });

  it('because a file is in the way, says so', async () => {
    writeFileSync(join(root, 'rooms'), '');
    await assert.rejects(openState(crypto, root, room, 'bob'), {
      code: 'CHAT_STATE_UNUSABLE',
      message: /rooms/,
    });
  });

  it('because a directory is in the way, says so', async () => {
    const path = await closedState();
    rmSync(path);
    mkdirSync(path);
    await assert.rejects(openState(crypto, root, room, 'bob'), { code: 'CHAT_STATE_UNUSABLE' });
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
