/** The device by raw requests: what the driver cannot see or does not do. Known answers come by its driver's cases. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Segments } from '@skytale/virtio';
import type { Engine } from '../engine.ts';
import { liveContexts } from '../engines/libcrypto.ts';
import { NodeEngine } from '../engines/node.ts';
import { OpensslEngine } from '../engines/openssl.ts';
import * as oracle from '../oracle.ts';
import { lateEngine, segmentsOf } from '../virtio-cryptodev/testing/raw-driver.ts';
import { VirtioCryptoDevice } from './device.ts';
import {
  encodeAeadData,
  encodeAeadSession,
  encodeChainData,
  encodeChainSession,
  encodeCipherData,
  encodeCipherSession,
  encodeDigestData,
  encodeDigestSession,
  encodeStatelessChain,
  encodeStatelessCipher,
} from './encode.ts';
import { AES_CBC, mark, RawDriver } from './testing/raw-driver.ts';
import { decodeConfig, direction, hashMode, operation, service, status } from './wire.ts';

const key = pattern(16);
const iv = pattern(16, 100);
const SHA256 = 4;
const all = 0x3fn;

function pattern(length: number, start = 1): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => start + i * 7);
}

describe('virtio-crypto device', () => {
  it('tells what it has', () => {
    const device = new VirtioCryptoDevice(new OpensslEngine(), {
      dataQueues: 4,
      queueSize: 64,
      maxSize: 9999,
    });
    assert.equal(device.deviceId, 20);
    assert.equal(device.features, all);
    assert.deepEqual(device.queueSizes, [64, 64, 64, 64, 64]);
    assert.deepEqual(decodeConfig(device.config), {
      status: 1,
      maxDataQueues: 4,
      services: [0, 1, 2, 3, 4],
      ciphers: [2, 3, 4, 8, 13],
      hashes: [1, 2, 3, 4, 5, 6],
      macs: [1, 2, 3, 4, 5, 6],
      aeads: [1, 2, 3],
      akciphers: [1, 2],
      maxCipherKeyLength: 64,
      maxAuthKeyLength: 512,
      maxSize: 9999,
    });
    const node = new VirtioCryptoDevice(new NodeEngine());
    assert.deepEqual(decodeConfig(node.config).akciphers, [], 'the engine node has no asymmetric keys');
    assert.equal(node.features, 0x1fn);
    for (const dataQueues of [0, 65_536, 1.5]) {
      assert.throws(() => new VirtioCryptoDevice(new OpensslEngine(), { dataQueues }), RangeError);
    }
  });

  it('works where the data is, however it is scattered, and writes the status behind everything', async () => {
    const driver = new RawDriver();
    const id = await driver.cbc(key);
    const data = pattern(160);
    const expected = oracle.encrypt('aes-cbc', key, iv, data);
    for (const cuts of [[], [7], [72, 16, 33, 15], [100, 1]]) {
      driver.cuts = cuts;
      const { status: outcome, result, written } = await driver.encrypt(id, iv, data);
      assert.equal(outcome, status.OK);
      assert.deepEqual(result, expected);
      assert.equal(written, 161);
    }

    // In place, with room behind the destination, as Linux has it.
    const memory = new Uint8Array(new SharedArrayBuffer(4096)).fill(mark);
    memory.set(encodeCipherData({ id }, { ivLength: 16, sourceLength: 160, destinationLength: 160 }), 5);
    memory.set(iv, 100);
    memory.set(data, 1000);
    const readable = new Segments();
    for (const [offset, length] of [
      [5, 72],
      [100, 16],
      [1000, 200],
    ] as const)
      readable.push(memory, offset, length);
    const writable = new Segments();
    writable.push(memory, 1000, 200);
    writable.push(memory, 3000, 1);
    assert.equal(await driver.send(0, readable, writable), 201);
    assert.deepEqual(memory.slice(1000, 1160), expected);
    assert.ok(memory.subarray(1160, 1200).every((byte) => byte === mark));
    assert.equal(memory[3000], status.OK);
  });

  it('serves sessions on all data queues', async () => {
    const driver = new RawDriver({ dataQueues: 3 });
    const id = await driver.cbc(key);
    const header = encodeCipherData({ id }, { ivLength: 16, sourceLength: 16, destinationLength: 16 });
    for (const queue of [0, 1, 2]) {
      const { status: outcome, result } = await driver.operate([header, iv, key], 16, queue);
      assert.equal(outcome, status.OK);
      assert.deepEqual(result, oracle.encrypt('aes-cbc', key, iv, key));
    }
  });

  it('cuts digests to the length that the session asks for', async () => {
    for (const features of [0n, 1n]) {
      const driver = new RawDriver({ features });
      const spec = { algo: 2, resultLength: 12, authKeyLength: 16 };
      const { id } = await driver.create(encodeDigestSession(spec, driver.isRevision1), key);
      const header = (resultLength: number) =>
        encodeDigestData(service.MAC, { id }, { sourceLength: 50, resultLength }, driver.isRevision1);
      const { result, status: outcome } = await driver.operate([header(12), pattern(50)], 12);
      assert.equal(outcome, status.OK);
      assert.deepEqual(result, oracle.digest('sha-1', key, pattern(50)).slice(0, 12));
      assert.equal((await driver.operate([header(20), pattern(50)], 20)).status, status.ERR);
      assert.equal((await driver.operate([header(12), pattern(50)], 11)).status, status.ERR);
      assert.equal((await driver.operate([header(12), pattern(49)], 12)).status, status.ERR);
    }
  });

  it('goes on with a fresh digest after an operation that failed half-way', async () => {
    const engine = new OpensslEngine();
    let failures = 1;
    const failing: Engine = {
      name: engine.name,
      supports: (algorithm) => engine.supports(algorithm),
      createCipher: (...values) => engine.createCipher(...values),
      createAead: (...values) => engine.createAead(...values),
      createMac: (...values) => engine.createMac(...values),
      createHash: (hash) => {
        const digest = engine.createHash(hash);
        const finish = digest.digest.bind(digest);
        digest.digest = (output) => {
          failures -= 1;
          if (failures >= 0) throw new Error('failed');
          finish(output);
        };
        return digest;
      },
    };
    const driver = new RawDriver({ engine: failing });
    const { id } = await driver.create(encodeDigestSession({ algo: SHA256, resultLength: 0 }, false));
    const header = encodeDigestData(service.HASH, { id }, { sourceLength: 9, resultLength: 32 }, false);
    assert.equal((await driver.operate([header, pattern(9)], 32)).status, status.ERR);
    const { result } = await driver.operate([header, pattern(9)], 32);
    assert.deepEqual(result, oracle.digest('sha-256', undefined, pattern(9)));
  });

  it('authenticates associated data in several descriptors, and no other data', async () => {
    const driver = new RawDriver();
    const nonce = pattern(12);
    for (const cuts of [[], [100], [3], [1, 7, 30]]) {
      driver.cuts = cuts;
      const aad = pattern(20);
      const tag = oracle.seal('aes-gcm', key, 16, nonce, aad, new Uint8Array(0));
      for (const op of [direction.ENCRYPT, direction.DECRYPT]) {
        const spec = { algo: 1, op, keyLength: 16, tagLength: 16 };
        const { id } = await driver.create(encodeAeadSession(spec, false), key);
        const opens = op === direction.DECRYPT;
        const length = opens ? 16 : 0;
        const lengths = {
          ivLength: 12,
          sourceLength: length,
          destinationLength: opens ? 0 : 16,
          aadLength: 20,
          tagLength: 16,
        };
        const of = { id, operation: opens ? operation.DECRYPT : operation.ENCRYPT };
        const parts = [encodeAeadData(of, lengths, false), nonce, ...(opens ? [tag] : []), aad];
        const answer = await driver.operate(parts, opens ? 0 : 16);
        assert.equal(answer.status, status.OK, `${opens} ${cuts}`);
        if (!opens) assert.deepEqual(Buffer.from(answer.result), Buffer.from(tag));
      }
    }
  });

  it('opens nothing that was changed, and leaves no plaintext of it', async () => {
    const driver = new RawDriver();
    const spec = { algo: 1, op: direction.DECRYPT, keyLength: 16, tagLength: 0 };
    const { id } = await driver.create(encodeAeadSession(spec, false), key);
    const nonce = pattern(12);
    const sealed = oracle.seal('aes-gcm', key, 16, nonce, pattern(5), pattern(40));
    const open = (aad: Uint8Array, given = nonce) =>
      driver.operate(
        [
          encodeAeadData(
            { id, operation: operation.DECRYPT },
            { ivLength: given.length, sourceLength: 56, destinationLength: 56, aadLength: 5, tagLength: 16 },
            false,
          ),
          given,
          sealed,
          aad,
        ],
        56,
      );
    const right = await open(pattern(5));
    assert.equal(right.status, status.OK);
    assert.deepEqual(right.result.slice(0, 40), pattern(40));
    const wrong = await open(pattern(5, 2));
    assert.equal(wrong.status, status.BADMSG);
    assert.ok(wrong.result.subarray(0, 40).every((byte) => byte === 0));
    const j0 = Uint8Array.of(...nonce, 0, 0, 0, 1);
    assert.equal((await open(pattern(5), j0)).status, status.OK, 'J0 of a 96-bit IV');
    j0[15] = 2;
    assert.equal((await open(pattern(5), j0)).status, status.NOTSUPP);
  });

  for (const [name, isHashFirst, mode] of [
    ['cipher then HMAC', false, hashMode.AUTH],
    ['HMAC then cipher', true, hashMode.AUTH],
    ['cipher then plain hash', false, hashMode.PLAIN],
  ] as const) {
    it(`chains ${name}, of parts, with associated data; by session and stateless`, async () => {
      const driver = new RawDriver({ features: all });
      const data = pattern(100);
      const aad = pattern(13, 50);
      const authKey = mode === hashMode.AUTH ? pattern(20, 9) : undefined;
      const spec = {
        order: isHashFirst ? 1 : 2,
        hashMode: mode,
        cipher: { algo: AES_CBC, op: direction.ENCRYPT, keyLength: 16 },
        hash: { algo: SHA256, resultLength: 32, authKeyLength: authKey?.length ?? 0 },
      };
      const request = {
        ...{ ivLength: 16, sourceLength: 100, destinationLength: 100, aadLength: 13, resultLength: 32 },
        ...{ cipherStart: 20, cipherLength: 64, hashStart: 4, hashLength: 90 },
      };
      const expected = data.slice();
      expected.set(oracle.encrypt('aes-cbc', key, iv, data.subarray(20, 84)), 20);
      const hashed = (isHashFirst ? data : expected).subarray(4, 94);
      const digest = oracle.digest('sha-256', authKey, Buffer.concat([aad, hashed]));
      const keys = [key, ...(authKey === undefined ? [] : [authKey])];

      const { id, status: created } = await driver.create(encodeChainSession(spec, true), ...keys);
      assert.equal(created, status.OK);
      const session = await driver.operate([encodeChainData({ id }, request), iv, data, aad], 132);
      assert.equal(session.status, status.OK);
      assert.deepEqual(session.result, Uint8Array.of(...expected, ...digest));

      const header = encodeStatelessChain(spec, request, operation.ENCRYPT);
      const stateless = await driver.operate([header, ...keys, iv, aad, data], 132);
      assert.equal(stateless.status, status.OK);
      assert.deepEqual(stateless.result, Uint8Array.of(...expected, ...digest));

      for (const lie of [
        { cipherStart: 37 },
        { cipherLength: 65 },
        { hashStart: 11 },
        { hashLength: 0xffffffff },
        { resultLength: 31 },
        { destinationLength: 99 },
        { aadLength: 14 },
        { ivLength: 12 },
      ]) {
        const lying = encodeChainData({ id }, { ...request, ...lie });
        const answer = await driver.operate([lying, iv, data, aad], 132);
        assert.equal(answer.status, status.ERR, JSON.stringify(lie));
      }
    });
  }

  it('takes requests in stateless mode only of services that it was negotiated for', async () => {
    const spec = { algo: AES_CBC, op: direction.ENCRYPT, keyLength: 16 };
    const request = { ivLength: 16, sourceLength: 16, destinationLength: 16 };
    const parts = [encodeStatelessCipher(spec, request, operation.ENCRYPT), key, iv, key];
    const outcome = async (features: bigint) => (await new RawDriver({ features }).operate(parts, 16)).status;
    assert.equal(await outcome(0b11n), status.OK);
    assert.equal(await outcome(0b01n), status.NOTSUPP);
    assert.equal(await outcome(0b11101n), status.NOTSUPP);
    // Without REVISION_1 there is no such flag: it is a session's id that is missing.
    assert.equal(await outcome(0b10n), status.INVSESS);
  });

  it('keeps no session of a stateless request', async () => {
    const driver = new RawDriver({ features: all });
    const before = liveContexts();
    const spec = { algo: AES_CBC, op: direction.ENCRYPT, keyLength: 16 };
    const request = { ivLength: 16, sourceLength: 16, destinationLength: 16 };
    const header = encodeStatelessCipher(spec, request, operation.ENCRYPT);
    for (let i = 0; i < 10; i++) {
      assert.equal((await driver.operate([header, key, iv, key], 16)).status, status.OK);
      assert.equal((await driver.operate([header, key, iv, key], 15)).status, status.ERR);
    }
    assert.equal(liveContexts(), before);
    assert.equal(driver.device.statistics.sessions, 0);
  });

  it('has a limit of sessions', async () => {
    for (const [features, refusal] of [
      [0n, status.ERR],
      [1n, status.NOSPC],
    ] as const) {
      const driver = new RawDriver({ maxSessions: 2, features });
      const first = await driver.cbc(key);
      await driver.cbc(key);
      const header = encodeCipherSession({ algo: AES_CBC, op: 1, keyLength: 16 }, driver.isRevision1);
      assert.deepEqual(await driver.create(header, key), { id: 0n, status: refusal });
      assert.equal(await driver.destroyCipher(first), status.OK);
      const again = await driver.create(header, key);
      assert.equal(again.status, status.OK);
      assert.notEqual(again.id, first);
    }
  });

  it('has a limit of the content of a request', async () => {
    const driver = new RawDriver({ maxSize: 16 + 64 });
    const id = await driver.cbc(key);
    assert.equal((await driver.encrypt(id, iv, pattern(32))).status, status.OK);
    assert.equal((await driver.encrypt(id, iv, pattern(48))).status, status.ERR);
  });

  it('knows closed sessions no more, nor those of another device', async () => {
    const one = new RawDriver();
    const other = new RawDriver();
    const id = await one.cbc(key);
    assert.equal((await other.encrypt(id, iv, key)).status, status.INVSESS);
    assert.equal(await other.destroyCipher(id), status.ERR);
    assert.equal(await one.destroy(service.HASH, id), status.ERR, 'of another service');
    const their = await other.cbc(pattern(16, 77));
    assert.equal(their, id, 'the same id, and yet');
    assert.deepEqual((await one.encrypt(id, iv, key)).result, oracle.encrypt('aes-cbc', key, iv, key));
    assert.equal(await one.destroyCipher(id), status.OK);
    assert.equal((await one.encrypt(id, iv, key)).status, status.INVSESS);
    assert.equal(await one.destroyCipher(id), status.ERR);
    assert.equal((await other.encrypt(their, iv, key)).status, status.OK);
    const digest = encodeDigestData(
      service.HASH,
      { id: their },
      { sourceLength: 0, resultLength: 32 },
      false,
    );
    assert.equal((await other.operate([digest], 32)).status, status.INVSESS, 'of another service');
  });

  it('frees all with a reset', async () => {
    const before = liveContexts();
    const driver = new RawDriver({ features: all });
    const id = await driver.cbc(key);
    await driver.encrypt(id, iv, key);
    await driver.create(encodeDigestSession({ algo: SHA256, resultLength: 32 }, true));
    assert.equal(liveContexts(), before + 2);
    assert.equal(driver.device.statistics.sessions, 2);
    driver.device.reset();
    assert.equal(liveContexts(), before);
    assert.equal(driver.device.statistics.sessions, 0);
    // What was negotiated is forgotten as well: the header is that of a driver without features.
    const legacy = encodeDigestData(service.HASH, { id }, { sourceLength: 0, resultLength: 32 }, false);
    assert.equal((await driver.operate([legacy], 32)).status, status.INVSESS);
  });

  it('counts', async () => {
    const driver = new RawDriver();
    const id = await driver.cbc(key);
    await driver.encrypt(id, iv, pattern(32));
    await driver.encrypt(0n, iv, pattern(32));
    assert.deepEqual(driver.device.statistics, { requests: 3, errors: 1, bytes: 32, sessions: 1 });
  });
});

describe('virtio-crypto device on an engine that answers later', () => {
  it('keeps the order on a session, and destroys it after what was under way', async () => {
    const driver = new RawDriver({ engine: lateEngine(new OpensslEngine()) });
    const id = await driver.cbc(key);
    const answers = [1, 2, 3].map((i) => driver.encrypt(id, pattern(16, i), pattern(64, i)));
    const destroyed = driver.destroyCipher(id);
    for (const [i, answer] of (await Promise.all(answers)).entries()) {
      assert.equal(answer.status, status.OK);
      const expected = oracle.encrypt('aes-cbc', key, pattern(16, i + 1), pattern(64, i + 1));
      assert.deepEqual(answer.result, expected);
    }
    assert.equal(await destroyed, status.OK);
  });

  it('drops with a reset what has not begun, and sessions that are being made', async () => {
    const before = liveContexts();
    const driver = new RawDriver({ engine: lateEngine(new OpensslEngine()) });
    const id = await driver.cbc(key);
    const answers = [1, 2, 3].map(() => driver.encrypt(id, iv, key));
    const header = encodeCipherSession({ algo: AES_CBC, op: 1, keyLength: 16 }, false);
    const readable = segmentsOf(Buffer.concat([header, key]));
    const created = driver.send(1, readable, segmentsOf(new Uint8Array(16)));
    driver.device.reset();
    const outcomes = (await Promise.all(answers)).map((answer) => answer.status);
    assert.deepEqual(outcomes, [status.OK, status.INVSESS, status.INVSESS]);
    assert.equal(await created, 0);
    assert.equal(driver.device.statistics.sessions, 0);
    assert.equal(liveContexts(), before);
  });

  it('refuses sessions that come by message: their answer cannot wait', async () => {
    const { device } = new RawDriver({ engine: lateEngine(new OpensslEngine()) });
    const message = new Uint8Array(632);
    const view = new DataView(message.buffer);
    for (const [offset, value] of [
      [8, 3],
      [12, 16],
    ] as const)
      view.setUint32(offset, value, true);
    message.set([1, 1], 32);
    device.createSession(message);
    assert.equal(view.getBigInt64(0, true), -1n);
  });
});
