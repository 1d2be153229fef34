/** What the cases of a `CryptoDevice` cannot see of an engine: scattered memory, in place, and what it leaves. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Segments } from '@skytale/virtio';
import fc from 'fast-check';
import type { AeadName, CipherName, HashName } from '../algorithms.ts';
import { aeads, ciphers, hashes } from '../algorithms.ts';
import { CryptoError } from '../crypto-error.ts';
import { EngineDevice } from '../engine-device.ts';
import * as oracle from '../oracle.ts';
import { createEngine, engineNames } from './create-engine.ts';
import { addressOf, liveContexts } from './libcrypto.ts';

type Bytes = Uint8Array<ArrayBuffer>;
type Layout = {
  readonly cuts: readonly number[];
  readonly gaps: readonly number[];
  readonly shared: boolean;
};

const numRuns = 30;

function bytes(length: number): fc.Arbitrary<Bytes> {
  return fc.uint8Array({ minLength: length, maxLength: length }) as fc.Arbitrary<Bytes>;
}

/** How to cut data: the lengths of its segments, in turn, and the gaps between them in memory. */
const layout: fc.Arbitrary<Layout> = fc.record({
  cuts: fc.array(fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 400 })), {
    minLength: 1,
    maxLength: 12,
  }),
  gaps: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 }),
  shared: fc.boolean(),
});

/** A list of `length` bytes in memory of its own, cut as the layout says; the gaps hold a mark. */
function scattered(
  length: number,
  { cuts, gaps, shared }: Layout,
): { list: Segments; intact: () => boolean } {
  const size = 10 * (length + 1) + 10;
  const memory = new Uint8Array(shared ? new SharedArrayBuffer(size) : new ArrayBuffer(size)).fill(mark);
  const list = new Segments();
  const used = new Set<number>();
  let at = gaps[0]!;
  for (let i = 0, left = length; left > 0; i++) {
    const take = Math.min(cuts[i % cuts.length]!, left);
    list.push(memory, at, take);
    for (let j = 0; j < take; j++) used.add(at + j);
    at += take + gaps[i % gaps.length]!;
    left -= take;
  }
  return { list, intact: () => memory.every((byte, i) => used.has(i) || byte === mark) };
}
const mark = 0xee;

function scatter(data: Uint8Array, how: Layout): ReturnType<typeof scattered> {
  const target = scattered(data.length, how);
  target.list.copyFrom(0, data.length, data);
  return target;
}

for (const engineName of engineNames) {
  const engine = await createEngine(engineName);
  describe(`engine ${engineName}`, () => {
    for (const cipher of (Object.keys(ciphers) as CipherName[]).filter((name) => engine.supports(name))) {
      const { keyLengths, ivLength, blockSize } = ciphers[cipher];
      const input = fc.record({
        key: fc.constantFrom(...keyLengths).chain(bytes),
        iv: bytes(ivLength),
        data: fc.nat({ max: 60 }).chain((blocks) => bytes(blocks * blockSize)),
        from: layout,
        to: layout,
      });
      it(`${cipher}: any scatter list to any other, and in place`, () =>
        fc.assert(
          fc.asyncProperty(input, async ({ key, iv, data, from, to }) => {
            fc.pre(!oracle.hasEqualHalves(cipher, key));
            const expected = oracle.encrypt(cipher, key, iv, data);
            const session = await engine.createCipher(cipher, key);
            const source = scatter(data, from);
            const target = scattered(data.length, to);
            await session.crypt('encrypt', iv, source.list, target.list);
            assert.deepEqual(target.list.toBytes(), expected);
            assert.deepEqual(source.list.toBytes(), data);
            await session.crypt('encrypt', iv, source.list, source.list);
            assert.deepEqual(source.list.toBytes(), expected, 'in place');
            await session.crypt('decrypt', iv, source.list, target.list);
            assert.deepEqual(target.list.toBytes(), data);
            await session.crypt('decrypt', iv, source.list, source.list);
            assert.deepEqual(source.list.toBytes(), data, 'in place');
            assert.ok(source.intact() && target.intact(), 'nothing is written beside the segments');
            session.close();
          }),
          { numRuns },
        ));
    }

    for (const aead of (Object.keys(aeads) as AeadName[]).filter((name) => engine.supports(name))) {
      const { keyLengths, nonceLengths, tagLengths } = aeads[aead];
      const input = fc.record({
        key: fc.constantFrom(...keyLengths).chain(bytes),
        nonce: fc.integer({ min: nonceLengths[0], max: nonceLengths[1] }).chain(bytes),
        tagLength: fc.constantFrom<number>(...tagLengths),
        data: fc.nat({ max: 900 }).chain(bytes),
        additional: fc.nat({ max: 60 }).chain(bytes),
        from: layout,
        to: layout,
      });
      it(`${aead}: any scatter list to any other, in place, and zeros if it is forged`, () =>
        fc.assert(
          fc.asyncProperty(input, async ({ key, nonce, tagLength, data, additional, from, to }) => {
            const expected = oracle.seal(aead, key, tagLength, nonce, additional, data);
            const ciphertext = expected.slice(0, data.length);
            const session = await engine.createAead(aead, key, tagLength);
            const [source, target] = [scatter(data, from), scattered(data.length, to)];
            const ad = scatter(additional, to).list;
            const tag = new Uint8Array(tagLength);
            await session.seal(nonce, ad, source.list, target.list, tag);
            assert.deepEqual(Buffer.concat([target.list.toBytes(), tag]), Buffer.from(expected));
            await session.seal(nonce, ad, source.list, source.list, tag);
            assert.deepEqual(source.list.toBytes(), ciphertext, 'in place');

            assert.ok(await session.open(nonce, ad, source.list, target.list, tag));
            assert.deepEqual(target.list.toBytes(), data);
            const forged = tag.slice();
            forged[tagLength - 1]! ^= 0x80;
            assert.equal(await session.open(nonce, ad, source.list, target.list, forged), false);
            assert.deepEqual(target.list.toBytes(), new Uint8Array(data.length));
            assert.ok(await session.open(nonce, ad, source.list, source.list, tag));
            assert.deepEqual(source.list.toBytes(), data, 'in place');
            assert.ok(source.intact() && target.intact(), 'nothing is written beside the segments');
            session.close();
          }),
          { numRuns },
        ));
    }

    it('digests scatter lists, and starts anew when it is told to', () =>
      fc.assert(
        fc.asyncProperty(fc.nat({ max: 900 }).chain(bytes), bytes(20), layout, async (data, key, how) => {
          for (const hash of (Object.keys(hashes) as HashName[]).filter((name) => engine.supports(name))) {
            for (const mac of [undefined, key]) {
              const expected = oracle.digest(hash, mac, data);
              const session = await (mac ? engine.createMac(`hmac-${hash}`, mac) : engine.createHash(hash));
              const output = new Uint8Array(hashes[hash].digestLength);
              await session.update(scatter(data, how).list);
              await session.reset();
              await session.update(scatter(data, how).list);
              await session.digest(output);
              assert.deepEqual(output, expected);
              session.close();
            }
          }
        }),
        { numRuns: 10 },
      ));
  });
}

describe('engine openssl and memory', async () => {
  const engine = await createEngine('openssl');

  it('frees every native context of 20,000 sessions', async () => {
    const before = liveContexts();
    await using device = new EngineDevice(engine);
    const data = new Uint8Array(16);
    for (let i = 0; i < 20_000; i += 4) {
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
