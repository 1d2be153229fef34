/** Keys must not stay in the pool that all small Buffers share: nobody can wipe them there, and any later Buffer may show them. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { openEngineDevice } from '@skytale/cryptodev';
import { SqliteStore } from '../client/node/sqlite-store.ts';
import { firstVersion } from '../client/testing/earlier-schemas.ts';
import { nodeCrypto, publicKeyOf } from '../node-crypto.ts';
import { Identity } from './identity.ts';
import { formatInvite, openInvite, parseInvite } from './invite.ts';
import { RoomKeys } from './key-schedule.ts';
import { parseServerAddress } from './server-address.ts';
import { SharedKeyCipher } from './shared-key-cipher.ts';

const node = nodeCrypto();
const PATTERN_BYTES = 32;

/** Bytes that are nowhere else. */
const drawn = () => node.randomBytes(PATTERN_BYTES);

/** The pool that small Buffers come from now. */
function pool(): Buffer {
  return Buffer.from(Buffer.from('x').buffer);
}

/** Runs `action`, and names those of `secrets()` that lie in the pool afterwards. */
async function leftInPool(
  action: () => Promise<unknown>,
  secrets: () => Record<string, Uint8Array>,
): Promise<string[]> {
  const before = pool();
  await action();
  const pools = [before, pool()];
  return Object.entries(secrets())
    .filter(([, secret]) => pools.some((memory) => memory.includes(secret)))
    .map(([name]) => name);
}

describe('secrets in memory', () => {
  it('are found by this test where they are', async () => {
    const secret = drawn();
    const found = await leftInPool(
      async () => Buffer.from(secret),
      () => ({ secret }),
    );
    assert.deepEqual(found, ['secret']);
  });

  it('of an identity are not in the pool', async () => {
    const seed = drawn();
    const action = async () => (await Identity.open(node, seed)).key.sign(new Uint8Array(10));
    assert.deepEqual(await leftInPool(action, () => ({ seed })), []);
  });

  it('of a state are not in the pool, made or brought up to date', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'skytale-secrets-'));
    const room = new Uint8Array(16);
    const seed = drawn();
    const old = drawn();
    const path = join(directory, 'old.db');
    {
      using database = new DatabaseSync(path);
      database.exec(firstVersion);
      database.prepare('INSERT INTO member VALUES (?, ?, 0, NULL, 1, 0)').run(room, old);
      database.prepare('INSERT INTO sender VALUES (?, 3, ?, 0)').run(publicKeyOf(old), 'bob');
    }
    const action = async () => {
      SqliteStore.open(join(directory, 'new.db'), room, () => seed.slice())![Symbol.dispose]();
      using store = SqliteStore.open(path, room, drawn)!;
      assert.equal((await store.load()).settled, 3);
    };
    try {
      assert.deepEqual(await leftInPool(action, () => ({ seed, old })), []);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('of a room are not in the pool, from the link to a sealed message', async () => {
    const secret = drawn();
    const derived: Record<string, Uint8Array> = {};
    const crypto = {
      ...node,
      async hkdf(...args: Parameters<typeof node.hkdf>) {
        const key = await node.hkdf(...args);
        derived[`key ${Object.keys(derived).length}`] = key.slice();
        return key;
      },
    };
    const server = parseServerAddress('localhost:7000');
    using first = await RoomKeys.derive(crypto, secret);
    const link = formatInvite({ server, roomId: first.roomId, secret: { kind: 'random', secret } });
    await using device = await openEngineDevice('node');
    const action = async () => {
      using keys = await openInvite(crypto, await parseInvite(crypto, link));
      using identity = await Identity.open(crypto, drawn());
      await using cipher = new SharedKeyCipher(keys, identity, device);
      const content = { kind: 'text', name: 'alice', text: 'hello', at: 0 } as const;
      await cipher.seal(1, content, { seq: 0, hash: new Uint8Array(32) });
    };
    assert.deepEqual(await leftInPool(action, () => ({ secret, ...derived })), []);
    assert.ok(Object.keys(derived).length > 3);
  });

  it('of a passphrase are not in the pool', async () => {
    let key = new Uint8Array(PATTERN_BYTES);
    const action = async () => {
      const cost = { memory: 256, passes: 1, parallelism: 1 };
      key = await node.argon2id(new Uint8Array(8), new Uint8Array(16), cost);
    };
    assert.deepEqual(await leftInPool(action, () => ({ key })), []);
  });
});
