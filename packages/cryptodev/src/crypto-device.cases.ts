/**
 * What every `CryptoDevice` must do, whatever is behind it: known answers, equality with node:crypto, order,
 * lifetimes, errors. An algorithm that a device does not support must be refused with
 * CRYPTO_UNKNOWN_ALGORITHM; the cases for it check that instead.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import type { AeadName, AlgorithmName, CipherName, HashName } from './algorithms.ts';
import { aeads, algorithmNames, ciphers, hashes } from './algorithms.ts';
import type {
  AeadOptions,
  CipherOptions,
  CryptoDevice,
  DeviceMemory,
  DigestOptions,
} from './crypto-device.ts';
import type { CryptoErrorCode } from './crypto-error.ts';
import { CryptoError } from './crypto-error.ts';
import { aeadVectors, cipherVectors, digestVectors } from './known-answers.ts';
import * as oracle from './oracle.ts';

const cipherNames = Object.keys(ciphers) as CipherName[];
const aeadNames = Object.keys(aeads) as AeadName[];
const hashNames = Object.keys(hashes) as HashName[];
/** Each property is tried with this many random inputs. */
const numRuns = 25;

/**
 * Registers the cases; `open` makes a device of its own for each call.
 * @param longestAead most bytes of an AEAD's message with all that goes with it, where the device has such a limit
 */
export function cryptoDeviceCases(
  name: string,
  open: () => Promise<CryptoDevice>,
  longestAead = Number.POSITIVE_INFINITY,
): void {
  describe(`${name} as a CryptoDevice`, () => {
    let device: CryptoDevice;
    before(async () => {
      device = await open();
    });
    after(() => device.close());
    const shared = (): CryptoDevice => device;
    knownAnswers(shared);
    likeNodeCrypto(shared);
    digestParts(shared);
    dataOfAllKinds(shared, longestAead);
    intoOutputs(shared);
    deviceMemory(shared, open);
    concurrency(shared);
    refusals(shared);
    lifetimes(open);
  });
}

type Shared = () => CryptoDevice;

/** Runs `check` if the device knows the algorithm; if not, checks that it says so. */
async function whereSupported(
  device: CryptoDevice,
  algorithm: AlgorithmName,
  check: () => Promise<void>,
): Promise<void> {
  if (device.supports(algorithm)) return check();
  await assertFails('CRYPTO_UNKNOWN_ALGORITHM', () =>
    device.createSession(anyOptions(algorithm) as CipherOptions),
  );
}

async function assertFails(code: CryptoErrorCode, action: () => Promise<unknown>): Promise<void> {
  await assert.rejects(action, (error) => {
    assert.ok(error instanceof CryptoError, `not a CryptoError: ${error}`);
    assert.equal(error.code, code, error.message);
    assert.notEqual(error.message, '');
    return true;
  });
}

function anyOptions(algorithm: AlgorithmName): CipherOptions | AeadOptions | DigestOptions {
  if (algorithm in ciphers) {
    const cipher = algorithm as CipherName;
    return { cipher, key: pattern(ciphers[cipher].keyLengths[0]) };
  }
  if (algorithm in aeads) {
    const aead = algorithm as AeadName;
    return { aead, key: pattern(aeads[aead].keyLengths[0]) };
  }
  if (algorithm in hashes) return { hash: algorithm as HashName };
  return { mac: algorithm as `hmac-${HashName}`, key: pattern(20) };
}

/** Bytes that all differ for a while, the same at each call. */
function pattern(length: number, start = 1): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => start + i * 7);
}

function bytes(length: number): fc.Arbitrary<Uint8Array<ArrayBuffer>> {
  return fc.uint8Array({ minLength: length, maxLength: length }) as fc.Arbitrary<Uint8Array<ArrayBuffer>>;
}

function anyBytes(maxLength: number): fc.Arbitrary<Uint8Array<ArrayBuffer>> {
  return fc.uint8Array({ maxLength, size: 'max' }) as fc.Arbitrary<Uint8Array<ArrayBuffer>>;
}

function knownAnswers(shared: Shared): void {
  for (const [algorithm, vectors] of byAlgorithm(cipherVectors)) {
    it(`${algorithm}: ${vectors.length} known answers`, () =>
      whereSupported(shared(), algorithm, async () => {
        for (const { source, key, iv, plaintext, ciphertext } of vectors) {
          await using session = await shared().createSession({ cipher: algorithm, key });
          const given = iv.length === 0 ? undefined : iv;
          assert.deepEqual(await session.encrypt(plaintext, given), ciphertext, source);
          assert.deepEqual(await session.decrypt(ciphertext, given), plaintext, source);
        }
      }));
  }
  for (const [algorithm, vectors] of byAlgorithm(aeadVectors)) {
    it(`${algorithm}: ${vectors.length} known answers, of them ${vectors.filter((v) => !v.valid).length} forged`, () =>
      whereSupported(shared(), algorithm, async () => {
        for (const { source, key, nonce, associatedData, plaintext, sealed, tagLength, valid } of vectors) {
          await using session = await shared().createSession({ aead: algorithm, key, tagLength });
          const encrypted = await session.encrypt(plaintext, nonce, associatedData);
          if (valid) {
            assert.deepEqual(encrypted, sealed, source);
            assert.deepEqual(await session.decrypt(sealed, nonce, associatedData), plaintext, source);
          } else {
            assert.notDeepEqual(encrypted, sealed, source);
            const open = () => session.decrypt(sealed, nonce, associatedData);
            await assertFails('CRYPTO_AUTHENTICATION_FAILED', open);
          }
        }
      }));
  }
  for (const [algorithm, vectors] of byAlgorithm(digestVectors)) {
    it(`${algorithm}: ${vectors.length} known answers`, () =>
      whereSupported(shared(), algorithm, async () => {
        for (const { source, options, data, digest } of vectors) {
          await using session = await shared().createSession(options);
          assert.deepEqual(await session.digest(data), digest, source);
          const oneShot = await shared().oneShot(options, { operation: 'digest', data });
          assert.deepEqual(oneShot, digest, source);
        }
      }));
  }
}

function byAlgorithm<V extends { readonly algorithm: AlgorithmName }>(
  vectors: readonly V[],
): Map<V['algorithm'], V[]> {
  return Map.groupBy(vectors, (vector) => vector.algorithm as V['algorithm']);
}

function likeNodeCrypto(shared: Shared): void {
  for (const cipher of cipherNames) {
    const { blockSize, ivLength, keyLengths } = ciphers[cipher];
    const input = fc.record({
      key: fc.constantFrom(...keyLengths).chain(bytes),
      iv: bytes(ivLength),
      data: fc.nat({ max: 40 }).chain((blocks) => bytes(blocks * blockSize)),
    });
    it(`${cipher} does what node:crypto does`, () =>
      whereSupported(shared(), cipher, () =>
        fc.assert(
          fc.asyncProperty(input, async ({ key, iv, data }) => {
            fc.pre(!oracle.hasEqualHalves(cipher, key));
            const given = ivLength === 0 ? undefined : iv;
            const expected = oracle.encrypt(cipher, key, iv, data);
            await using session = await shared().createSession({ cipher, key });
            assert.deepEqual(await session.encrypt(data, given), expected);
            assert.deepEqual(await session.decrypt(expected, given), data);
            const operation = { operation: 'encrypt' as const, data, ...(given && { iv: given }) };
            assert.deepEqual(await shared().oneShot({ cipher, key }, operation), expected);
          }),
          { numRuns },
        ),
      ));
  }

  for (const aead of aeadNames) {
    const { keyLengths, nonceLengths, tagLengths } = aeads[aead];
    const input = fc.record({
      key: fc.constantFrom(...keyLengths).chain(bytes),
      nonce: fc.integer({ min: nonceLengths[0], max: nonceLengths[1] }).chain(bytes),
      tagLength: fc.constantFrom<number>(...tagLengths),
      associatedData: anyBytes(300),
      data: anyBytes(700),
      position: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      bit: fc.nat({ max: 7 }),
    });
    it(`${aead} does what node:crypto does, and takes nothing that was changed`, () =>
      whereSupported(shared(), aead, () =>
        fc.assert(
          fc.asyncProperty(input, async ({ key, nonce, tagLength, associatedData, data, position, bit }) => {
            const options = { aead, key, tagLength };
            const expected = oracle.seal(aead, key, tagLength, nonce, associatedData, data);
            await using session = await shared().createSession(options);
            assert.deepEqual(await session.encrypt(data, nonce, associatedData), expected);
            assert.deepEqual(await session.decrypt(expected, nonce, associatedData), data);
            const operation = { operation: 'decrypt' as const, data: expected, nonce, associatedData };
            assert.deepEqual(await shared().oneShot(options, operation), data);

            const all = [expected.slice(), nonce.slice(), associatedData.slice()] as const;
            let at = Math.floor(position * (expected.length + nonce.length + associatedData.length));
            const changed = all.find((part) => {
              if (at < part.length) return true;
              at -= part.length;
              return false;
            })!;
            changed[at]! ^= 1 << bit;
            await assertFails('CRYPTO_AUTHENTICATION_FAILED', () => session.decrypt(...all));
            assert.deepEqual(await session.decrypt(expected, nonce, associatedData), data, 'and goes on');
          }),
          { numRuns },
        ),
      ));
  }
}

function digestParts(shared: Shared): void {
  for (const hash of hashNames) {
    for (const keyed of [false, true]) {
      const algorithm = keyed ? (`hmac-${hash}` as const) : hash;
      const input = fc.record({ key: anyBytes(200), parts: fc.array(anyBytes(200), { maxLength: 8 }) });
      it(`${algorithm} in parts, with copies of the state, does what node:crypto does`, () =>
        whereSupported(shared(), algorithm, () =>
          fc.assert(
            fc.asyncProperty(input, async ({ key, parts }) => {
              const digest = (data: Uint8Array) => oracle.digest(hash, keyed ? key : undefined, data);
              const options: DigestOptions = keyed ? { mac: `hmac-${hash}`, key } : { hash };
              await using session = await shared().createSession(options);
              const half = Math.floor(parts.length / 2);
              for (const part of parts.slice(0, half)) await session.update(part);
              await using copy = await session.copy();
              for (const part of parts.slice(half)) await session.update(part);
              assert.deepEqual(await session.digest(), digest(Buffer.concat(parts)));
              const head = Buffer.concat(parts.slice(0, half));
              const tail = pattern(70);
              assert.deepEqual(await copy.digest(tail), digest(Buffer.concat([head, tail])), 'the copy');
              assert.deepEqual(await session.digest(tail), digest(tail), 'anew, with the same key');
            }),
            { numRuns },
          ),
        ));
    }
  }
}

function dataOfAllKinds(shared: Shared, longestAead: number): void {
  it('takes no data, and gives none', async () => {
    await using cbc = await shared().createSession({ cipher: 'aes-cbc', key: pattern(16) });
    assert.equal((await cbc.encrypt(new Uint8Array(0), pattern(16))).length, 0);
    await using gcm = await shared().createSession({ aead: 'aes-gcm', key: pattern(16), tagLength: 12 });
    const sealed = await gcm.encrypt(new Uint8Array(0), pattern(12));
    assert.equal(sealed.length, 12);
    assert.equal((await gcm.decrypt(sealed, pattern(12))).length, 0);
  });

  it('takes views at odd offsets, of shared memory too, and leaves them as they are', async () => {
    for (const buffer of [new ArrayBuffer(300), new SharedArrayBuffer(300)]) {
      const data = new Uint8Array(buffer, 3, 96);
      const iv = new Uint8Array(buffer, 101, 16);
      const key = new Uint8Array(buffer, 131, 32);
      for (const [i, view] of [data, iv, key].entries()) view.set(pattern(view.length, i));
      await using session = await shared().createSession({ cipher: 'aes-cbc', key });
      const encrypted = await session.encrypt(data, iv);
      assert.deepEqual(encrypted, oracle.encrypt('aes-cbc', key.slice(), iv.slice(), data.slice()));
      assert.deepEqual(await session.decrypt(encrypted, iv), pattern(96, 0));
      assert.deepEqual(new Uint8Array(data), pattern(96, 0));
    }
  });

  it('takes more than a mebibyte', async () => {
    const data = new Uint8Array(2 ** 20 + 16).fill(0xa5);
    await using cbc = await shared().createSession({ cipher: 'aes-cbc', key: pattern(16) });
    const encrypted = await cbc.encrypt(data, pattern(16));
    assert.equal(Buffer.compare(encrypted, oracle.encrypt('aes-cbc', pattern(16), pattern(16), data)), 0);
    await using gcm = await shared().createSession({ aead: 'aes-gcm', key: pattern(32) });
    const whole = data.subarray(0, Math.min(data.length, longestAead - 16));
    const opened = await gcm.decrypt(await gcm.encrypt(whole, pattern(12)), pattern(12));
    assert.equal(Buffer.compare(opened, whole), 0);
    if (whole.length < data.length) {
      const tooLong = () => gcm.encrypt(data.subarray(0, whole.length + 1), pattern(12));
      await assertFails('CRYPTO_INVALID_DATA_LENGTH', tooLong);
    }
    await using sha = await shared().createSession({ hash: 'sha-256' });
    assert.deepEqual(await sha.digest(data), oracle.digest('sha-256', undefined, data));
  });

  it('counts up over the whole block in CTR', async () => {
    const iv = new Uint8Array(16).fill(0xff);
    await using ctr = await shared().createSession({ cipher: 'aes-ctr', key: pattern(16) });
    assert.deepEqual(
      await ctr.encrypt(pattern(37), iv),
      oracle.encrypt('aes-ctr', pattern(16), iv, pattern(37)),
    );
  });

  it('copies the key', async () => {
    const key = pattern(16);
    const created = shared().createSession({ cipher: 'aes-cbc', key });
    key.fill(0);
    await using session = await created;
    const expected = oracle.encrypt('aes-cbc', pattern(16), pattern(16), pattern(32));
    assert.deepEqual(await session.encrypt(pattern(32), pattern(16)), expected);
  });
}

/** Where data and output are: arrays of their own, one memory of the device's, or two. */
const places = [
  'own',
  'in place',
  'device',
  'device in place',
  'device in place, inside',
  'device to own',
  'own to device',
  'shifted',
] as const;

/** Calls `check` with data, which holds `bytes`, and an output of at least `room` bytes, in one of the places. */
async function inPlace(
  device: CryptoDevice,
  place: (typeof places)[number],
  bytes: Uint8Array,
  room: number,
  check: (data: Uint8Array, output: Uint8Array) => Promise<void>,
): Promise<void> {
  const longest = Math.max(bytes.length, room);
  using first = device.allocate(longest + 64);
  using second = device.allocate(longest + 64);
  const own = new Uint8Array(longest);
  const views: Record<typeof place, [Uint8Array, Uint8Array]> = {
    own: [own, new Uint8Array(room)],
    'in place': [own, own],
    device: [first.bytes, second.bytes],
    'device in place': [first.bytes, first.bytes],
    'device in place, inside': [first.bytes.subarray(3), first.bytes.subarray(3)],
    'device to own': [first.bytes, own],
    'own to device': [own, second.bytes.subarray(5)],
    shifted: [first.bytes.subarray(16), first.bytes],
  };
  const [data, output] = views[place];
  data.set(bytes);
  await check(data.subarray(0, bytes.length), output);
}

function intoOutputs(shared: Shared): void {
  const place = fc.constantFrom(...places);

  for (const cipher of cipherNames) {
    const { blockSize, ivLength, keyLengths } = ciphers[cipher];
    const data = fc.nat({ max: 40 }).chain((blocks) => bytes(blocks * blockSize));
    it(`${cipher} writes where it is told`, () =>
      whereSupported(shared(), cipher, async () => {
        const key = pattern(keyLengths[0]);
        const iv = pattern(ivLength);
        const given = ivLength === 0 ? undefined : iv;
        await using session = await shared().createSession({ cipher, key });
        await fc.assert(
          fc.asyncProperty(data, place, async (plaintext, where) => {
            const expected = oracle.encrypt(cipher, key, iv, plaintext);
            const { length } = plaintext;
            await inPlace(shared(), where, plaintext, length, async (source, output) => {
              assert.equal(await session.encryptInto(source, output, given), length);
              assert.deepEqual(Uint8Array.from(output.subarray(0, length)), expected);
            });
            await inPlace(shared(), where, expected, length, async (source, output) => {
              assert.equal(await session.decryptInto(source, output, given), length);
              assert.deepEqual(Uint8Array.from(output.subarray(0, length)), plaintext);
            });
          }),
          { numRuns },
        );
      }));
  }

  for (const aead of aeadNames) {
    it(`${aead} writes where it is told, and leaves nothing there that is not authentic`, () =>
      whereSupported(shared(), aead, async () => {
        const key = pattern(aeads[aead].keyLengths[0]);
        const nonce = pattern(aeads[aead].nonceLengths[1]);
        await using session = await shared().createSession({ aead, key });
        await fc.assert(
          fc.asyncProperty(anyBytes(700), anyBytes(300), place, async (plaintext, associatedData, where) => {
            const sealed = oracle.seal(aead, key, 16, nonce, associatedData, plaintext);
            const { length } = plaintext;
            await inPlace(shared(), where, plaintext, length + 16, async (source, output) => {
              assert.equal(await session.encryptInto(source, output, nonce, associatedData), length + 16);
              assert.deepEqual(Uint8Array.from(output.subarray(0, length + 16)), sealed);
            });
            await inPlace(shared(), where, sealed, length, async (source, output) => {
              assert.equal(await session.decryptInto(source, output, nonce, associatedData), length);
              assert.deepEqual(Uint8Array.from(output.subarray(0, length)), plaintext);
            });
            const forged = sealed.with(-1, sealed.at(-1)! ^ 1);
            await inPlace(shared(), where, forged, length, async (source, output) => {
              await assertFails('CRYPTO_AUTHENTICATION_FAILED', () =>
                session.decryptInto(source, output, nonce, associatedData),
              );
              if (length < 4) return;
              assert.equal(Buffer.from(output).indexOf(plaintext), isAllZeros(plaintext) ? 0 : -1);
            });
          }),
          { numRuns },
        );
      }));
  }

  it('refuses an output that is too short, and wrong calls as without one', async () => {
    await using cbc = await shared().createSession({ cipher: 'aes-cbc', key: pattern(16) });
    await using gcm = await shared().createSession({ aead: 'aes-gcm', key: pattern(16) });
    const [data, iv, nonce] = [pattern(32), pattern(16), pattern(12)];
    const output = new Uint8Array(64);
    const wrong: [CryptoErrorCode, () => Promise<number>][] = [
      ['CRYPTO_INVALID_DATA_LENGTH', () => cbc.encryptInto(data, output.subarray(0, 31), iv)],
      ['CRYPTO_INVALID_DATA_LENGTH', () => cbc.decryptInto(data, new Uint8Array(0), iv)],
      ['CRYPTO_INVALID_DATA_LENGTH', () => cbc.encryptInto(data.subarray(1), output, iv)],
      ['CRYPTO_INVALID_IV_LENGTH', () => cbc.encryptInto(data, output, nonce)],
      ['CRYPTO_INVALID_DATA_LENGTH', () => gcm.encryptInto(data, output.subarray(0, 47), nonce)],
      ['CRYPTO_INVALID_DATA_LENGTH', () => gcm.decryptInto(data, output.subarray(0, 15), nonce)],
      ['CRYPTO_INVALID_DATA_LENGTH', () => gcm.decryptInto(data.subarray(17), output, nonce)],
      ['CRYPTO_INVALID_IV_LENGTH', () => gcm.encryptInto(data, output, nonce.subarray(1))],
    ];
    for (const [code, call] of wrong) await assertFails(code, call);
    await assert.rejects(cbc.encryptInto(data, 'output' as never, iv), TypeError);
    assert.ok(isAllZeros(output));
  });

  it('does not mix up many operations in one memory', async () => {
    await using session = await shared().createSession({ cipher: 'aes-cbc', key: pattern(16) });
    using memory = shared().allocate(300 * 48);
    const pieces = Array.from({ length: 300 }, (_, i) => memory.bytes.subarray(i * 48, (i + 1) * 48));
    for (const [i, piece] of pieces.entries()) piece.set(pattern(48, i));
    await Promise.all(pieces.map((piece) => session.encryptInto(piece, piece, pattern(16))));
    for (const [i, piece] of pieces.entries()) {
      const expected = oracle.encrypt('aes-cbc', pattern(16), pattern(16), pattern(48, i));
      assert.deepEqual(Uint8Array.from(piece), expected);
    }
  });
}

function isAllZeros(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

function deviceMemory(shared: Shared, open: () => Promise<CryptoDevice>): void {
  it('gives memory of zeros, as long as asked for, and no length that cannot be', () => {
    for (const length of [1, 63, 64, 65, 4096, 100_000]) {
      using memory = shared().allocate(length);
      assert.equal(memory.bytes.length, length);
      assert.ok(isAllZeros(memory.bytes));
      memory.bytes.fill(0xee);
    }
    for (const length of [0, -1, 1.5, Number.NaN, '16' as never]) {
      assert.throws(() => shared().allocate(length), TypeError);
    }
  });

  it('has a bound on memory, goes on when some is freed, and takes none twice', async () => {
    await using device = await open();
    const taken: DeviceMemory[] = [];
    const limit = { name: 'CryptoError', code: 'CRYPTO_LIMIT' };
    assert.throws(() => {
      for (let i = 0; i < 10_000; i++) taken.push(device.allocate(2 ** 20));
    }, limit);
    assert.throws(() => device.allocate(2 ** 40), limit);
    assert.equal(
      (await device.oneShot({ hash: 'sha-1' }, { operation: 'digest', data: pattern(3) })).length,
      20,
    );
    const last = taken.pop()!;
    last[Symbol.dispose]();
    last[Symbol.dispose]();
    taken.push(device.allocate(2 ** 20));
    assert.throws(() => device.allocate(2 ** 20), limit);
    for (const memory of taken) memory[Symbol.dispose]();
  });

  it('ends operations in memory that is freed meanwhile', async () => {
    await using session = await shared().createSession({ cipher: 'aes-ctr', key: pattern(16) });
    const memory = shared().allocate(256);
    const under = session.encryptInto(memory.bytes, memory.bytes, pattern(16));
    memory[Symbol.dispose]();
    using next = shared().allocate(256);
    assert.equal(await under, 256);
    assert.ok(isAllZeros(next.bytes));
  });

  it('gives none once it is closed', async () => {
    const device = await open();
    const memory = device.allocate(16);
    await device.close();
    assert.throws(() => device.allocate(16), { code: 'CRYPTO_CLOSED' });
    memory[Symbol.dispose]();
  });
}

function concurrency(shared: Shared): void {
  it('keeps the order of many operations on one session', async () => {
    await using session = await shared().createSession({ hash: 'sha-256' });
    const results: Promise<Uint8Array | undefined>[] = [];
    for (let i = 0; i < 100; i++) {
      results.push(session.update(pattern(i)).then(() => undefined));
      if (i % 10 === 9) results.push(session.digest(pattern(i, 3)));
    }
    const digests = (await Promise.all(results)).filter((result) => result !== undefined);
    for (const [i, digest] of digests.entries()) {
      const parts = Array.from({ length: 10 }, (_, j) => pattern(10 * i + j));
      const message = Buffer.concat([...parts, pattern(10 * i + 9, 3)]);
      assert.deepEqual(digest, oracle.digest('sha-256', undefined, message));
    }
  });

  it('copies the state of the moment of the call, whatever follows', async () => {
    const source = await shared().createSession({ hash: 'sha-256' });
    const updated = source.update(pattern(10));
    const copying = [source.copy(), source.copy()];
    const later = source.update(pattern(20));
    const digest = source.digest();
    const closed = source.close();
    for (const copy of await Promise.all(copying)) {
      assert.deepEqual(await copy.digest(), oracle.digest('sha-256', undefined, pattern(10)));
      await copy.close();
    }
    const message = Buffer.concat([pattern(10), pattern(20)]);
    assert.deepEqual(await digest, oracle.digest('sha-256', undefined, message));
    await Promise.all([updated, later, closed]);
  });

  it('does not mix up many sessions in use at the same time', async () => {
    const keys = Array.from({ length: 20 }, (_, i) => pattern(32, i));
    await Promise.all(
      keys.map(async (key) => {
        await using session = await shared().createSession({ aead: 'aes-gcm', key });
        const nonces = Array.from({ length: 10 }, (_, i) => pattern(12, i));
        const sealed = await Promise.all(nonces.map((nonce) => session.encrypt(key, nonce)));
        for (const [i, nonce] of nonces.entries()) {
          assert.deepEqual(sealed[i], oracle.seal('aes-gcm', key, 16, nonce, new Uint8Array(0), key));
        }
      }),
    );
  });
}

function refusals(shared: Shared): void {
  const cases: [CryptoErrorCode, string, () => Promise<unknown>][] = [];
  const refuses = (code: CryptoErrorCode, what: string, action: (device: CryptoDevice) => Promise<unknown>) =>
    cases.push([code, what, () => action(shared())]);
  const unknown = (options: object) => (device: CryptoDevice) =>
    device.createSession(options as CipherOptions);

  for (const bad of ['rot-13', '', 'toString', '__proto__', 7, undefined]) {
    refuses('CRYPTO_UNKNOWN_ALGORITHM', `cipher ${bad}`, unknown({ cipher: bad, key: pattern(16) }));
    refuses('CRYPTO_UNKNOWN_ALGORITHM', `aead ${bad}`, unknown({ aead: bad, key: pattern(16) }));
    refuses('CRYPTO_UNKNOWN_ALGORITHM', `hash ${bad}`, unknown({ hash: bad }));
    refuses('CRYPTO_UNKNOWN_ALGORITHM', `mac hmac-${bad}`, unknown({ mac: `hmac-${bad}`, key: pattern(16) }));
  }
  refuses('CRYPTO_UNKNOWN_ALGORITHM', 'a hash as MAC', unknown({ mac: 'sha-256', key: pattern(16) }));

  const cbc = { cipher: 'aes-cbc', key: pattern(16) } as const;
  const gcm = { aead: 'aes-gcm', key: pattern(16) } as const;
  for (const length of [0, 15, 17, 31, 33]) {
    const key = pattern(length);
    refuses('CRYPTO_INVALID_KEY_LENGTH', `CBC key of ${length}`, (d) => d.createSession({ ...cbc, key }));
    refuses('CRYPTO_INVALID_KEY_LENGTH', `GCM key of ${length}`, (d) => d.createSession({ ...gcm, key }));
  }
  for (const tagLength of [0, 3, 5, 11, 17, -1, 1.5, Number.NaN]) {
    refuses('CRYPTO_INVALID_TAG_LENGTH', `tag of ${tagLength}`, (d) =>
      d.createSession({ ...gcm, tagLength }),
    );
  }
  for (const length of [1, 15, 17, 31]) {
    const data = pattern(length);
    refuses('CRYPTO_INVALID_DATA_LENGTH', `CBC data of ${length}`, (d) =>
      d.oneShot(cbc, { operation: 'encrypt', data, iv: pattern(16) }),
    );
    refuses('CRYPTO_INVALID_DATA_LENGTH', `sealed data of ${length % 16}`, (d) =>
      d.oneShot(gcm, { operation: 'decrypt', data: pattern(length % 16), nonce: pattern(12) }),
    );
  }
  for (const length of [0, 8, 11, 13, 15, 17]) {
    const iv = pattern(length);
    refuses('CRYPTO_INVALID_IV_LENGTH', `CBC IV of ${length}`, (d) =>
      d.oneShot(cbc, { operation: 'decrypt', data: pattern(16), iv }),
    );
    refuses('CRYPTO_INVALID_IV_LENGTH', `GCM nonce of ${length}`, (d) =>
      d.oneShot(gcm, { operation: 'encrypt', data: pattern(16), nonce: iv }),
    );
  }
  refuses('CRYPTO_INVALID_IV_LENGTH', 'CBC without IV', (d) =>
    d.oneShot(cbc, { operation: 'encrypt', data: pattern(16) }),
  );
  refuses('CRYPTO_WRONG_OPERATION', 'a digest by a cipher', (d) =>
    d.oneShot(cbc, { operation: 'digest', data: pattern(16) } as never),
  );
  refuses('CRYPTO_WRONG_OPERATION', 'encryption by a hash', (d) =>
    d.oneShot({ hash: 'sha-256' }, { operation: 'encrypt', data: pattern(16) } as never),
  );
  refuses('CRYPTO_WRONG_OPERATION', 'an AEAD without a nonce', (d) =>
    d.oneShot(gcm, { operation: 'encrypt', data: pattern(16), iv: pattern(16) } as never),
  );

  it(`refuses ${cases.length} wrong calls, each with its code`, async () => {
    for (const [code, what, action] of cases) {
      await assertFails(code, action).catch((error) => {
        throw new Error(`${what}: ${error.message}`, { cause: error });
      });
    }
  });

  it('refuses an XTS key whose halves are equal, and data that is not whole blocks', () =>
    whereSupported(shared(), 'aes-xts', async () => {
      const half = pattern(16);
      const key = Uint8Array.from([...half, ...half]);
      await assertFails('CRYPTO_INVALID_KEY', () => shared().createSession({ cipher: 'aes-xts', key }));
      key[31]! ^= 1;
      await using xts = await shared().createSession({ cipher: 'aes-xts', key });
      await assertFails('CRYPTO_INVALID_DATA_LENGTH', () => xts.encrypt(pattern(17), pattern(16)));
    }));

  it('refuses more data than the nonce of CCM leaves room for', () =>
    whereSupported(shared(), 'aes-ccm', async () => {
      await using ccm = await shared().createSession({ aead: 'aes-ccm', key: pattern(16) });
      await assertFails('CRYPTO_INVALID_DATA_LENGTH', () => ccm.encrypt(new Uint8Array(65_536), pattern(13)));
      assert.equal((await ccm.encrypt(new Uint8Array(65_535), pattern(13))).length, 65_551);
      assert.equal((await ccm.encrypt(new Uint8Array(65_536), pattern(12))).length, 65_552);
    }));

  it('gives names, and no for names it does not know', () => {
    assert.notEqual(shared().name, '');
    for (const name of algorithmNames) assert.equal(typeof shared().supports(name), 'boolean');
    for (const name of ['rot-13', '', 'toString', 'hmac-rot-13']) {
      assert.equal(shared().supports(name as AlgorithmName), false, name);
    }
  });
}

function lifetimes(open: () => Promise<CryptoDevice>): void {
  it('ends what was called before a session closes, and refuses what comes after', async () => {
    await using device = await open();
    const cipher = await device.createSession({ cipher: 'aes-cbc', key: pattern(16) });
    const aead = await device.createSession({ aead: 'aes-gcm', key: pattern(16) });
    const digest = await device.createSession({ hash: 'sha-256' });
    const before = [
      cipher.encrypt(pattern(64), pattern(16)),
      aead.encrypt(pattern(64), pattern(12)),
      digest.digest(pattern(64)),
    ];
    const closed = [cipher, aead, digest].map((session) => session.close());
    const after = [
      () => cipher.encrypt(pattern(64), pattern(16)),
      () => cipher.decrypt(pattern(64), pattern(16)),
      () => aead.encrypt(pattern(64), pattern(12)),
      () => aead.decrypt(pattern(64), pattern(12)),
      () => digest.update(pattern(64)),
      () => digest.digest(),
      () => digest.copy(),
    ];
    for (const call of after) await assertFails('CRYPTO_CLOSED', call);
    assert.deepEqual(
      (await Promise.all(before)).map((result) => result.length),
      [64, 80, 32],
    );
    await Promise.all(closed);
    await cipher.close();
  });

  it('closes its sessions with itself, and can be closed twice', async () => {
    const device = await open();
    const session = await device.createSession({ cipher: 'aes-cbc', key: pattern(16) });
    const encrypted = session.encrypt(pattern(64), pattern(16));
    const oneShot = device.oneShot({ hash: 'sha-256' }, { operation: 'digest', data: pattern(64) });
    await Promise.all([device.close(), device.close()]);
    assert.equal((await encrypted).length, 64);
    assert.equal((await oneShot).length, 32);
    await assertFails('CRYPTO_CLOSED', () => session.encrypt(pattern(64), pattern(16)));
    await assertFails('CRYPTO_CLOSED', () => device.createSession({ hash: 'sha-256' }));
    const operation = { operation: 'digest', data: pattern(64) } as const;
    await assertFails('CRYPTO_CLOSED', () => device.oneShot({ hash: 'sha-256' }, operation));
  });

  it('a copy outlives its source, and a source its copy', async () => {
    await using device = await open();
    const source = await device.createSession({ mac: 'hmac-sha-256', key: pattern(16) });
    await source.update(pattern(10));
    const first = await source.copy();
    await first.close();
    const second = await source.copy();
    await source.close();
    assert.deepEqual(await second.digest(), oracle.digest('sha-256', pattern(16), pattern(10)));
  });
}
