/** The engine `ipsec-mb` one by one and in batches, and what its batches refuse. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Segments } from '@skytale/virtio';
import fc from 'fast-check';
import type { Direction } from '../crypto-device.ts';
import type { CipherBatch, Engine } from '../engine.ts';
import { cipherVectors } from '../known-answers.ts';
import * as oracle from '../oracle.ts';
import { createEngine } from './create-engine.ts';
import { engineCases } from './engine.cases.ts';
import { longestMessage } from './libipsec-mb.ts';

const engine = await createEngine('ipsec-mb').catch((error: Error) => error);
if (engine instanceof Error) {
  it('engine ipsec-mb', (t) => t.skip(`${engine.message}`));
} else {
  engineCases(engine);
  batchCases(engine);
  gcmCases(engine);
}

function gcmCases(engine: Engine): void {
  describe('AES-GCM of ipsec-mb', () => {
    const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
    const key = new Uint8Array(32).fill(1);
    const nonce = new Uint8Array(12).fill(2);

    it('agrees with OpenSSL on long messages, at any alignment', () =>
      fc.assert(
        fc.asyncProperty(
          fc.constantFrom(16, 24, 32).chain(bytes),
          bytes(12),
          fc.nat({ max: 70_000 }),
          fc.nat({ max: 17 }),
          async (key, nonce, length, skew) => {
            const data = Uint8Array.from({ length }, (_, i) => i * 31 + (i >> 8));
            const expected = oracle.seal('aes-gcm', key, 16, nonce, data.subarray(0, skew), data);
            const room = new Uint8Array(new SharedArrayBuffer(length + skew + 1)).fill(0xee);
            room.set(data, skew);
            const inPlace = new Segments();
            inPlace.push(room, skew, length);
            const additional = Segments.of(data.slice(0, skew));
            const tag = new Uint8Array(16);
            const aead = await engine.createAead('aes-gcm', key, 16);
            await aead.seal(nonce, additional, inPlace, inPlace, tag);
            const sealed = Buffer.concat([room.subarray(skew, skew + length), tag]);
            assert.ok(sealed.equals(expected), 'the result');
            assert.equal(await aead.open(nonce, additional, inPlace, inPlace, tag), true);
            assert.ok(inPlace.toBytes().every((byte, i) => byte === data[i]));
            assert.ok(room.subarray(0, skew).every((byte) => byte === 0xee));
            assert.equal(room.at(-1), 0xee);
            aead.close();
          },
        ),
        { numRuns: 60 },
      ));

    it('looks at every bit of the tag, and at its length', async () => {
      const aead = await engine.createAead('aes-gcm', key, 12);
      const data = Segments.of(new Uint8Array(40).fill(3));
      const [sealed, opened] = [Segments.of(new Uint8Array(40)), Segments.of(new Uint8Array(40).fill(4))];
      const tag = new Uint8Array(12);
      await aead.seal(nonce, new Segments(), data, sealed, tag);
      for (let bit = 0; bit < 96; bit++) {
        const forged = tag.slice();
        forged[bit >> 3]! ^= 1 << (bit & 7);
        assert.equal(await aead.open(nonce, new Segments(), sealed, opened, forged), false, `bit ${bit}`);
      }
      assert.deepEqual(opened.toBytes(), new Uint8Array(40));
      for (const wrong of [tag.subarray(1), new Uint8Array(16)]) {
        assert.throws(() => aead.open(nonce, new Segments(), sealed, opened, wrong), {
          code: 'CRYPTO_INVALID_TAG_LENGTH',
        });
      }
      aead.close();
    });

    it('does nothing when it is closed, and nothing for ranges that do not fit', async () => {
      const aead = await engine.createAead('aes-gcm', key, 16);
      const [data, shorter] = [Segments.of(new Uint8Array(32)), Segments.of(new Uint8Array(31))];
      const tag = new Uint8Array(16);
      assert.throws(() => aead.seal(nonce, new Segments(), data, shorter, tag), {
        code: 'CRYPTO_INVALID_DATA_LENGTH',
      });
      await aead.seal(nonce, new Segments(), data, data, tag);
      aead.close();
      aead.close();
      const result = Segments.of(new Uint8Array(32));
      assert.throws(() => aead.seal(nonce, new Segments(), data, result, tag), { code: 'CRYPTO_CLOSED' });
      assert.throws(() => aead.open(nonce, new Segments(), data, result, tag), { code: 'CRYPTO_CLOSED' });
      assert.deepEqual(result.toBytes(), new Uint8Array(32));
    });
  });
}

function batchCases(engine: Engine): void {
  const newBatch = (): CipherBatch => engine.createBatch!();
  const iv = Uint8Array.from({ length: 16 }, (_, i) => i);

  describe('batches of ipsec-mb', () => {
    it('give the known answers, all in one batch', async () => {
      const vectors = cipherVectors.filter(({ algorithm }) => algorithm === 'aes-cbc');
      const batch = newBatch();
      const trials = [];
      for (const { key, iv, plaintext, ciphertext, source } of vectors.slice(0, batch.capacity / 2)) {
        const cipher = await engine.createCipher('aes-cbc', key);
        const [sealed, opened] = [new Uint8Array(ciphertext.length), new Uint8Array(plaintext.length)];
        assert.equal(batch.add(cipher, 'encrypt', iv, Segments.of(plaintext), Segments.of(sealed)), true);
        assert.equal(batch.add(cipher, 'decrypt', iv, Segments.of(ciphertext), Segments.of(opened)), true);
        trials.push({ cipher, sealed, opened, plaintext, ciphertext, source });
      }
      batch.run();
      assert.ok(trials.length > 0);
      for (const { cipher, sealed, opened, plaintext, ciphertext, source } of trials) {
        assert.deepEqual(sealed, ciphertext, source);
        assert.deepEqual(opened, plaintext, source);
        cipher.close();
      }
    });

    it('agree with OpenSSL, whatever keys, directions and lengths come together, in place or not', async () => {
      const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
      const operation = fc.record({
        key: fc.constantFrom(16, 24, 32).chain(bytes),
        iv: bytes(16),
        data: fc
          .oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 1000 }))
          .chain((blocks) => bytes(16 * blocks)),
        direction: fc.constantFrom<Direction>('encrypt', 'decrypt'),
        inPlace: fc.boolean(),
        // Not aligned, as programs' buffers are not.
        skew: fc.nat({ max: 17 }),
      });
      const batch = newBatch();
      await fc.assert(
        fc.asyncProperty(
          fc.array(operation, { minLength: 1, maxLength: batch.capacity }),
          async (operations) => {
            const made = [];
            for (const { key, iv, data, direction, inPlace, skew } of operations) {
              const cipher = await engine.createCipher('aes-cbc', key);
              const ciphertext = direction === 'encrypt' ? data : oracle.encrypt('aes-cbc', key, iv, data);
              const room = new Uint8Array(new SharedArrayBuffer(data.length + skew + 1)).fill(0xee);
              room.set(ciphertext, skew);
              const source = new Segments();
              source.push(room, skew, data.length);
              const result = inPlace ? room : new Uint8Array(room.length).fill(0xee);
              const destination = new Segments();
              destination.push(result, skew, data.length);
              assert.equal(batch.add(cipher, direction, iv, source, destination), true);
              const expected = direction === 'encrypt' ? oracle.encrypt('aes-cbc', key, iv, data) : data;
              made.push({ cipher, result, skew, expected });
            }
            batch.run();
            for (const { cipher, result, skew, expected } of made) {
              cipher.close();
              assert.ok(Buffer.compare(result.subarray(skew, -1), expected) === 0, 'the result');
              assert.ok(result.subarray(0, skew).every((byte) => byte === 0xee));
              assert.equal(result.at(-1), 0xee);
            }
          },
        ),
        { numRuns: 60 },
      );
    });

    it('take the longest messages that lanes can count, and leave longer ones to OpenSSL', async () => {
      const batch = newBatch();
      const key = new Uint8Array(16).fill(5);
      const cipher = await engine.createCipher('aes-cbc', key);
      const data = Uint8Array.from({ length: longestMessage }, (_, i) => i >> 4);
      const results = [0, 1, 2].map(() => new Uint8Array(data.length));
      for (const result of results) {
        assert.equal(batch.add(cipher, 'encrypt', iv, Segments.of(data), Segments.of(result)), true);
      }
      batch.run();
      const expected = oracle.encrypt('aes-cbc', key, iv, data);
      for (const result of results) assert.ok(Buffer.compare(result, expected) === 0, 'the result');
      const longer = Segments.of(new Uint8Array(longestMessage + 16));
      assert.equal(batch.add(cipher, 'encrypt', iv, longer, longer), false);
      cipher.close();
    });

    it('refuse what is to be done one by one, and more than they hold', async () => {
      const batch = newBatch();
      const cipher = await engine.createCipher('aes-cbc', new Uint8Array(16));
      const counter = await engine.createCipher('aes-ctr', new Uint8Array(16));
      const data = Segments.of(new Uint8Array(32));
      const cut = new Segments();
      cut.push(new Uint8Array(16), 0, 16);
      cut.push(new Uint8Array(16), 0, 16);
      const [none, odd] = [Segments.of(new Uint8Array(0)), Segments.of(new Uint8Array(24))];
      assert.equal(batch.add(counter, 'encrypt', iv, data, data), false, 'another mode');
      assert.equal(batch.add(cipher, 'encrypt', iv, cut, data), false, 'a scattered source');
      assert.equal(batch.add(cipher, 'encrypt', iv, data, cut), false, 'a scattered destination');
      assert.equal(batch.add(cipher, 'encrypt', iv, none, none), false, 'nothing');
      assert.equal(batch.add(cipher, 'encrypt', iv, odd, odd), false, 'half a block');
      assert.equal(batch.add(cipher, 'encrypt', iv.subarray(1), data, data), false, 'a short IV');
      assert.throws(() => batch.add(cipher, 'encrypt', iv, data, Segments.of(new Uint8Array(16))), {
        code: 'CRYPTO_INVALID_DATA_LENGTH',
      });
      for (let i = 0; i < batch.capacity; i++) {
        assert.equal(batch.add(cipher, 'encrypt', iv, data, Segments.of(new Uint8Array(32))), true);
      }
      assert.equal(batch.add(cipher, 'encrypt', iv, data, data), false, 'one too many');
      batch.run();
      assert.equal(batch.add(cipher, 'encrypt', iv, data, data), true);
      batch.run();
      cipher.close();
      counter.close();
    });

    it('do nothing with a session that was closed in the meantime', async () => {
      const batch = newBatch();
      const open = await engine.createCipher('aes-cbc', new Uint8Array(16));
      const closed = await engine.createCipher('aes-cbc', new Uint8Array(16).fill(1));
      const results = [new Uint8Array(32), new Uint8Array(32)] as const;
      const data = Segments.of(new Uint8Array(32));
      batch.add(open, 'encrypt', iv, data, Segments.of(results[0]));
      batch.add(closed, 'encrypt', iv, data, Segments.of(results[1]));
      closed.close();
      assert.throws(() => batch.run(), { code: 'CRYPTO_CLOSED' });
      assert.ok(results.every((result) => result.every((byte) => byte === 0)));
      assert.throws(() => batch.add(closed, 'encrypt', iv, data, data), { code: 'CRYPTO_CLOSED' });
      open.close();
    });
  });
}
