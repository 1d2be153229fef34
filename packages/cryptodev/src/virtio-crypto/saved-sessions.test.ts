/** A device that is saved with its machine, and what its driver finds when the machine is put back. */
import assert from 'node:assert/strict';
import * as crypto from 'node:crypto';
import { describe, it } from 'node:test';
import { liveContexts } from '../engines/libcrypto.ts';
import { NodeEngine } from '../engines/node.ts';
import { OpensslEngine } from '../engines/openssl.ts';
import { lateEngine } from '../virtio-cryptodev/testing/raw-driver.ts';
import {
  encodeAeadData,
  encodeAeadSession,
  encodeAkcipherData,
  encodeAkcipherSession,
  encodeChainData,
  encodeChainSession,
  encodeCipherData,
  encodeCipherSession,
  encodeDigestData,
  encodeDigestSession,
} from './encode.ts';
import { AES_CBC, RawDriver, type RawOptions } from './testing/raw-driver.ts';
import { direction, hashMode, operation, service, status } from './wire.ts';

const key = Uint8Array.from({ length: 16 }, (_, i) => i + 1);
const iv = new Uint8Array(16).fill(9);
const data = new Uint8Array(48).fill(5);
const cipher = { algo: AES_CBC, op: direction.ENCRYPT, keyLength: 16 };
const SHA256 = 4;
const GCM = 1;
const RSA = 1;
const modulusLength = 128;

const rsaKey = crypto
  .generateKeyPairSync('rsa', { modulusLength: 8 * modulusLength })
  .publicKey.export({ type: 'pkcs1', format: 'der' });

/** A session of each service: how it is created, and an operation on it whose result says which key it has. */
const sessions: Record<
  string,
  {
    readonly create: readonly Uint8Array[];
    readonly operate: (id: bigint) => readonly Uint8Array[];
    readonly room: number;
  }
> = {
  cipher: {
    create: [encodeCipherSession(cipher, false), key],
    operate: (id) => [
      encodeCipherData({ id }, { ivLength: 16, sourceLength: 48, destinationLength: 48 }),
      iv,
      data,
    ],
    room: 48,
  },
  chain: {
    create: [
      encodeChainSession(
        {
          ...{ order: 2, hashMode: hashMode.AUTH, cipher },
          hash: { algo: SHA256, resultLength: 32, authKeyLength: 16 },
        },
        false,
      ),
      key,
      iv,
    ],
    operate: (id) => [
      encodeChainData(
        { id },
        {
          ...{ ivLength: 16, sourceLength: 48, destinationLength: 48, aadLength: 0, resultLength: 32 },
          ...{ cipherStart: 0, cipherLength: 48, hashStart: 0, hashLength: 48 },
        },
      ),
      iv,
      data,
    ],
    room: 80,
  },
  hash: {
    create: [encodeDigestSession({ algo: SHA256, resultLength: 32 }, false)],
    operate: (id) => [
      encodeDigestData(service.HASH, { id }, { sourceLength: 48, resultLength: 32 }, false),
      data,
    ],
    room: 32,
  },
  mac: {
    create: [encodeDigestSession({ algo: SHA256, resultLength: 32, authKeyLength: 16 }, false), key],
    operate: (id) => [
      encodeDigestData(service.MAC, { id }, { sourceLength: 48, resultLength: 32 }, false),
      data,
    ],
    room: 32,
  },
  aead: {
    create: [encodeAeadSession({ ...cipher, algo: GCM, tagLength: 16 }, false), key],
    operate: (id) => [
      encodeAeadData(
        { id, operation: operation.ENCRYPT },
        { ivLength: 12, sourceLength: 48, destinationLength: 64, aadLength: 0, tagLength: 16 },
        false,
      ),
      iv.subarray(0, 12),
      data,
    ],
    room: 64,
  },
  akcipher: {
    create: [
      encodeAkcipherSession({ algo: RSA, keyType: 1, keyLength: rsaKey.length, parameters: [0, 0] }, false),
      rsaKey,
    ],
    operate: (id) => [
      encodeAkcipherData(
        { id, operation: operation.ENCRYPT },
        { sourceLength: 48, destinationLength: modulusLength },
        false,
      ),
      data,
    ],
    room: modulusLength,
  },
};

/** A driver whose device was put back to the state of another's, which has ended. */
async function restored(driver: RawDriver, options: RawOptions = {}): Promise<RawDriver> {
  const state = structuredClone(driver.device.saveState());
  driver.device.close();
  const next = new RawDriver(options);
  await next.device.restoreState(state);
  return next;
}

const all = Object.keys(sessions);
for (const [title, make, services] of [
  ['sync', () => new OpensslEngine(), all],
  ['late', () => lateEngine(new OpensslEngine()), all.filter((name) => name !== 'akcipher')],
] as const) {
  describe(`a saved virtio-crypto device, ${title} engine`, () => {
    const options = () => ({ engine: make(), savesSessions: true });

    it('has the sessions of all its services again, under the same ids, as often as it is saved', async () => {
      const before = liveContexts();
      let driver = new RawDriver(options());
      const ids = new Map<string, bigint>();
      for (const name of services) {
        const [header, ...keys] = sessions[name]!.create;
        const { id, status: outcome } = await driver.create(header!, ...keys);
        assert.equal(outcome, status.OK, name);
        ids.set(name, id);
      }
      const closed = await driver.cbc(iv);
      await driver.destroyCipher(closed);
      const results = async () => {
        const answers = new Map<string, Uint8Array>();
        for (const [name, id] of ids) {
          const { operate, room } = sessions[name]!;
          const { status: outcome, result } = await driver.operate(operate(id), room);
          assert.equal(outcome, status.OK, name);
          answers.set(name, result);
        }
        return answers;
      };
      const expected = await results();
      for (let life = 0; life < 2; life++) {
        driver = await restored(driver, options());
        assert.deepEqual(await results(), expected);
        assert.equal(driver.device.statistics.sessions, ids.size);
        assert.equal((await driver.encrypt(closed, iv, data)).status, status.INVSESS);
      }
      assert.equal(await driver.destroyCipher(ids.get('cipher')!), status.OK);
      const fresh = await driver.cbc(key);
      assert.ok(![...ids.values(), closed].includes(fresh), 'an id that was given out before');
      driver.device.close();
      assert.equal(liveContexts(), before);
    });
  });
}

describe('a virtio-crypto device whose sessions are not saved', () => {
  it('knows their ids no more, and gives none of them out again', async () => {
    const before = new RawDriver({ maxSessions: 1 });
    const lost = await before.cbc(key);
    const after = await restored(before, { maxSessions: 1 });
    assert.equal((await after.encrypt(lost, iv, data)).status, status.INVSESS);
    const fresh = await after.cbc(iv);
    assert.notEqual(fresh, lost);
    assert.equal((await after.encrypt(lost, iv, data)).status, status.INVSESS);
    assert.equal(await after.destroyCipher(lost), status.ERR);
    assert.equal((await after.encrypt(fresh, iv, data)).status, status.OK);
  });
});

describe('a state that does not fit', () => {
  it('is refused, and nothing stays of it', async () => {
    const before = liveContexts();
    const driver = new RawDriver({ savesSessions: true, maxSessions: 4 });
    const [header, ...keys] = sessions.akcipher!.create;
    await driver.create(header!, ...keys);
    const id = Number(await driver.cbc(key));
    const state = structuredClone(driver.device.saveState());
    driver.device.close();
    const { generations, sessions: saved } = state;
    const [plan] = saved.map((session) => session.plan);
    const cases: [string, RawOptions, unknown][] = [
      ['nothing', {}, undefined],
      ['another number of sessions', { maxSessions: 5 }, state],
      ['an engine without such keys', { engine: new NodeEngine() }, state],
      ['generations of too many bits', {}, { ...state, generations: generations.map(() => 0xffff) }],
      ['an id twice', {}, { generations, sessions: [...saved, ...saved] }],
      ['an id of another life', {}, { generations, sessions: [{ id: id + 0x10000, plan }] }],
      ['an id beyond the table', {}, { generations, sessions: [{ id: id + 4, plan }] }],
      ['an id below 0', {}, { generations, sessions: [{ id: id - 2 ** 31, plan }] }],
    ];
    for (const [what, options, wrong] of cases) {
      const other = new RawDriver({ maxSessions: 4, ...options });
      await assert.rejects(async () => other.device.restoreState(wrong), what);
      other.device.close();
      assert.equal(liveContexts(), before, what);
    }
  });
});
