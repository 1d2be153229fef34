/** What the cases of a `CryptoDevice` cannot see of an engine: scattered memory, and work in place. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Segments } from '@skytale/virtio';
import fc from 'fast-check';
import type { AeadName, CipherName, HashName } from '../algorithms.ts';
import { aeads, ciphers, hashes } from '../algorithms.ts';
import type { Engine } from '../engine.ts';
import * as oracle from '../oracle.ts';

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

/** Registers the cases. */
export function engineCases(engine: Engine): void {
  describe(`engine ${engine.name}`, () => {
    for (const cipher of (Object.keys(ciphers) as CipherName[]).filter((name) => engine.supports(name))) {
      const { keyLengths, ivLength, blockSize } = ciphers[cipher];
      const blocks = fc.nat({ max: 60 }).chain((count) => bytes(count * blockSize));
      const input = fc.record({
        key: fc.constantFrom(...keyLengths).chain(bytes),
        iv: bytes(ivLength),
        data: blocks,
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

      const operation = fc.record({ encrypting: fc.boolean(), iv: bytes(ivLength), data: blocks });
      it(`${cipher}: one operation leaves nothing behind for the next`, () =>
        fc.assert(
          fc.asyncProperty(fc.array(operation, { maxLength: 12 }), async (operations) => {
            const key = Uint8Array.from({ length: keyLengths[0] }, (_, i) => i);
            const session = await engine.createCipher(cipher, key);
            for (const { encrypting, iv, data } of operations) {
              const encrypted = oracle.encrypt(cipher, key, iv, data);
              const [input, expected] = encrypting ? [data, encrypted] : [encrypted, data];
              const target = Segments.of(new Uint8Array(data.length));
              await session.crypt(encrypting ? 'encrypt' : 'decrypt', iv, Segments.of(input), target);
              assert.deepEqual(target.toBytes(), expected);
            }
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
