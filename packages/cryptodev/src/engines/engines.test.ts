/** The shared cases for the engines of the process, and what the openssl engine leaves behind. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Segments } from '@skytale/virtio';
import { CryptoError } from '../crypto-error.ts';
import { EngineDevice } from '../engine-device.ts';
import * as oracle from '../oracle.ts';
import { createEngine, ownEngineNames } from './create-engine.ts';
import { engineCases } from './engine.cases.ts';
import { addressOf, liveContexts } from './libcrypto.ts';

for (const name of ownEngineNames) engineCases(await createEngine(name));

describe('engine openssl and memory', async () => {
  const engine = await createEngine('openssl');

  it('frees every native context of many sessions', async () => {
    const before = liveContexts();
    await using device = new EngineDevice(engine);
    const data = new Uint8Array(16);
    for (let i = 0; i < 500; i++) {
      const cipher = await device.createSession({ cipher: 'aes-cbc', key: new Uint8Array(16) });
      await cipher.decrypt(await cipher.encrypt(data, data), data);
      const aead = await device.createSession({ aead: 'aes-gcm', key: new Uint8Array(32) });
      await aead.encrypt(data, data.subarray(4));
      const mac = await device.createSession({ mac: 'hmac-sha-256', key: data });
      const copy = await mac.copy();
      assert.equal(liveContexts(), before + 5);
      for (const session of [cipher, aead, mac, copy]) await session.close();
      assert.equal(liveContexts(), before);
    }
  });

  it('frees what a failed creation had made', async () => {
    const before = liveContexts();
    await using device = new EngineDevice(engine);
    const key = new Uint8Array(32);
    await assert.rejects(device.createSession({ cipher: 'aes-xts', key }), { code: 'CRYPTO_INVALID_KEY' });
    await device.oneShot({ hash: 'sha-256' }, { operation: 'digest', data: key });
    assert.equal(liveContexts(), before);
  });

  it('leaves no error behind for node:crypto to find', async () => {
    const session = await engine.createAead('aes-gcm', new Uint8Array(16), 16);
    const empty = new Segments();
    assert.equal(await session.open(new Uint8Array(12), empty, empty, empty, new Uint8Array(16)), false);
    assert.doesNotThrow(() =>
      oracle.encrypt('aes-cbc', new Uint8Array(16), new Uint8Array(16), new Uint8Array(16)),
    );
    session.close();
  });

  it('refuses memory that was detached, or that shrank, since the segments were made', async () => {
    const session = await engine.createCipher('aes-ecb', new Uint8Array(16));
    const out = Segments.of(new Uint8Array(64));
    const detached = new Uint8Array(64);
    const gone = Segments.of(detached);
    structuredClone(detached, { transfer: [detached.buffer] });
    const resizable = new ArrayBuffer(64, { maxByteLength: 128 });
    const shrunk = Segments.of(new Uint8Array(resizable));
    resizable.resize(16);
    for (const bad of [gone, shrunk]) {
      assert.throws(() => session.crypt('encrypt', new Uint8Array(0), bad, out), {
        code: 'CRYPTO_INVALID_DATA_LENGTH',
      });
      assert.throws(() => session.crypt('encrypt', new Uint8Array(0), out, bad), {
        code: 'CRYPTO_INVALID_DATA_LENGTH',
      });
    }
    session.close();
  });

  it('refuses rooms that are too small for what OpenSSL would write or read', async () => {
    const [short, long] = [Segments.of(new Uint8Array(32)), Segments.of(new Uint8Array(48))];
    const iv = new Uint8Array(16);
    const refused = (code: string, call: () => unknown): void => assert.throws(call, { code });
    const cipher = await engine.createCipher('aes-cbc', iv);
    refused('CRYPTO_INVALID_DATA_LENGTH', () => cipher.crypt('encrypt', iv, long, short));
    refused('CRYPTO_INVALID_DATA_LENGTH', () => cipher.crypt('encrypt', iv, short, long));
    refused('CRYPTO_INVALID_IV_LENGTH', () => cipher.crypt('encrypt', iv.subarray(1), short, short));
    const aead = await engine.createAead('aes-gcm', iv, 16);
    const [nonce, tag, none] = [iv.subarray(4), new Uint8Array(16), new Segments()];
    refused('CRYPTO_INVALID_DATA_LENGTH', () => aead.seal(nonce, none, long, short, tag));
    await aead.seal(nonce, none, short, short, tag);
    refused('CRYPTO_INVALID_DATA_LENGTH', () => aead.open(nonce, none, long, short, tag));
    refused('CRYPTO_INVALID_TAG_LENGTH', () => aead.open(nonce, none, short, short, tag.subarray(0, 12)));
    for (const digest of [await engine.createHash('sha-256'), await engine.createMac('hmac-sha-256', iv)]) {
      assert.throws(() => digest.digest(new Uint8Array(31)), CryptoError);
      digest.close();
    }
    cipher.close();
    aead.close();
  });

  it('frees what was dropped without being closed', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const before = liveContexts();
    for (let i = 0; i < 50; i++) await engine.createHash('sha-256');
    for (let turn = 0; turn < 1000 && liveContexts() > before; turn++) {
      collect();
      await setImmediate();
    }
    assert.equal(liveContexts(), before);
  });

  it('finds the bytes that a view means, wherever its buffer is and however it grows', async () => {
    const buffer = new ArrayBuffer(64, { maxByteLength: 1 << 20 });
    const base = addressOf(new Uint8Array(buffer));
    assert.equal(addressOf(new Uint8Array(buffer, 3), 4, 5), base + 7);
    buffer.resize(1 << 20);
    assert.equal(addressOf(new Uint8Array(buffer, 1000), 24, 1000), base + 1024);
    const empty = new ArrayBuffer(0, { maxByteLength: 64 });
    addressOf(new Uint8Array(empty));
    empty.resize(64);
    const grown = new Uint8Array(empty);
    const hash = await engine.createHash('sha-256');
    await hash.digest(grown);
    hash.close();
    assert.deepEqual(grown.slice(0, 32), oracle.digest('sha-256', undefined, new Uint8Array(0)));
    for (const [offset, length] of [
      [-1, 2],
      [0, 65],
      [64, 1],
      [Number.NaN, 1],
      [1, Number.NaN],
    ] as const) {
      assert.throws(() => addressOf(new Uint8Array(64), offset, length), {
        code: 'CRYPTO_INVALID_DATA_LENGTH',
      });
    }
  });
});
