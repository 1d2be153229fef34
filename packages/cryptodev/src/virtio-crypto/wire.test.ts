import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  encodeAeadSession,
  encodeAkcipherSession,
  encodeChainData,
  encodeChainSession,
  encodeCipherData,
  encodeCipherSession,
  encodeDestroySession,
  encodeDigestData,
  encodeDigestSession,
  encodeStatelessAead,
  encodeStatelessAkcipher,
  encodeStatelessChain,
  encodeStatelessCipher,
  encodeStatelessDigest,
} from './encode.ts';
import { configLength, decodeConfig, encodeConfig, service, statusName } from './wire.ts';

const cipher = { algo: 3, op: 2, keyLength: 32 };
const chain = { order: 1, hashMode: 2, cipher, hash: { algo: 4, resultLength: 12, authKeyLength: 20 } };
const lengths = { ivLength: 16, sourceLength: 64, destinationLength: 65 };
const chainLengths = {
  ...lengths,
  cipherStart: 1,
  cipherLength: 2,
  hashStart: 3,
  hashLength: 4,
  aadLength: 5,
  resultLength: 6,
};

/** The 32-bit words that are not 0, by their offsets in bytes. */
function words(header: Uint8Array<ArrayBuffer>): Record<number, number> {
  const view = new DataView(header.buffer);
  const found: Record<number, number> = {};
  for (let at = 0; at < header.length; at += 4) {
    const word = view.getUint32(at, true);
    if (word !== 0) found[at] = word;
  }
  return found;
}

// The offsets are those that a C compiler gives the structures of <linux/virtio_crypto.h>, or of the standard
// where the header has none.
describe('virtio-crypto wire', () => {
  it('lays out control requests', () => {
    assert.deepEqual(words(encodeCipherSession(cipher, false)), { 0: 2, 4: 3, 16: 3, 20: 32, 24: 2, 64: 1 });
    assert.deepEqual(words(encodeChainSession(chain, false)), {
      ...{ 0: 2, 4: 3, 16: 1, 20: 2, 24: 3, 28: 32, 32: 2, 40: 4, 44: 12, 48: 20, 64: 2 },
    });
    const hash = encodeDigestSession({ algo: 4, resultLength: 32 }, false);
    assert.deepEqual(words(hash), { 0: 0x102, 4: 4, 16: 4, 20: 32 });
    const mac = encodeDigestSession({ algo: 4, resultLength: 32, authKeyLength: 7 }, false);
    assert.deepEqual(words(mac), { 0: 0x202, 4: 4, 16: 4, 20: 32, 24: 7 });
    const aead = encodeAeadSession({ algo: 1, op: 1, keyLength: 16, tagLength: 12 }, false);
    assert.deepEqual(words(aead), { 0: 0x302, 4: 1, 16: 1, 20: 16, 24: 12, 32: 1 });
    const key = { algo: 1, keyType: 2, keyLength: 600, parameters: [1, 5] } as const;
    assert.deepEqual(words(encodeAkcipherSession(key, false)), {
      ...{ 0: 0x404, 4: 1, 16: 1, 20: 2, 24: 600, 28: 1, 32: 5 },
    });
    const destroy = encodeDestroySession(service.AKCIPHER, 0x1_0000_0002n, false);
    assert.deepEqual(words(destroy), { 0: 0x405, 16: 2, 20: 1 });
    for (const header of [hash, mac, aead, destroy]) assert.equal(header.length, 72);
  });

  it('lays out data requests', () => {
    const of = { id: 0x1_0000_0002n, operation: 1 };
    assert.deepEqual(words(encodeCipherData(of, lengths)), {
      ...{ 0: 1, 8: 2, 12: 1, 16: 1, 24: 16, 28: 64, 32: 65, 64: 1 },
    });
    assert.deepEqual(words(encodeChainData(of, chainLengths)), {
      ...{ 0: 1, 8: 2, 12: 1, 16: 1, 24: 16, 28: 64, 32: 65 },
      ...{ 36: 1, 40: 2, 44: 3, 48: 4, 52: 5, 56: 6, 64: 2 },
    });
    const digest = encodeDigestData(service.MAC, of, { sourceLength: 3, resultLength: 4 }, false);
    assert.deepEqual(words(digest), { 0: 0x201, 8: 2, 12: 1, 16: 1, 24: 3, 28: 4 });
    assert.equal(digest.length, 72);
  });

  it('pads nothing where REVISION_1 was negotiated', () => {
    assert.equal(encodeCipherSession(cipher, true).length, 16 + 56);
    assert.equal(encodeDigestSession({ algo: 4, resultLength: 32 }, true).length, 16 + 8);
    assert.equal(encodeDigestSession({ algo: 4, resultLength: 32, authKeyLength: 1 }, true).length, 16 + 16);
    assert.equal(encodeAeadSession({ ...cipher, tagLength: 16 }, true).length, 16 + 24);
    assert.equal(encodeDestroySession(service.HASH, 1n, true).length, 16 + 8);
    const digest = encodeDigestData(service.HASH, { id: 1n }, { sourceLength: 3, resultLength: 4 }, true);
    assert.equal(digest.length, 24 + 8);
  });

  it('lays out requests in stateless mode', () => {
    assert.deepEqual(words(encodeStatelessCipher(cipher, lengths, 1)), {
      ...{ 0: 1, 24: 3, 28: 32, 32: 2, 36: 16, 40: 64, 44: 65, 96: 1 },
    });
    const chained = encodeStatelessChain(chain, chainLengths, 1);
    assert.equal(chained.length, 100);
    assert.deepEqual(words(chained), {
      ...{ 0: 1, 24: 1, 28: 5, 32: 3, 36: 32, 40: 2, 44: 4, 48: 20, 52: 2 },
      ...{ 56: 16, 60: 64, 64: 65, 68: 1, 72: 2, 76: 3, 80: 4, 84: 5, 88: 6, 96: 2 },
    });
    const digest = { sourceLength: 3, resultLength: 4 };
    const hash = encodeStatelessDigest({ algo: 4, resultLength: 32 }, digest);
    assert.deepEqual(words(hash), { 0: 0x100, 24: 4, 28: 3, 32: 4 });
    const mac = encodeStatelessDigest({ algo: 4, resultLength: 32, authKeyLength: 9 }, digest);
    assert.deepEqual(words(mac), { 0: 0x200, 24: 4, 28: 9, 32: 3, 36: 4 });
    const aead = encodeStatelessAead(
      { ...cipher, tagLength: 8 },
      { ...lengths, aadLength: 7, tagLength: 8 },
      0,
    );
    assert.deepEqual(words(aead), { 0: 0x300, 24: 3, 28: 32, 32: 2, 36: 16, 40: 8, 44: 7, 48: 64, 52: 65 });
    const key = { algo: 2, keyType: 1, keyLength: 65, parameters: [3, 0] } as const;
    const verify = encodeStatelessAkcipher(key, { sourceLength: 70, destinationLength: 32 }, 3);
    assert.deepEqual(words(verify), { 0: 0x403, 24: 2, 28: 1, 32: 65, 36: 3, 44: 70, 48: 32 });
  });

  it('encodes and decodes the configuration space', () => {
    const config = {
      status: 1,
      maxDataQueues: 3,
      services: [0, 4],
      ciphers: [3, 13, 40],
      hashes: [31],
      macs: [6, 53],
      aeads: [1],
      akciphers: [2],
      maxCipherKeyLength: 64,
      maxAuthKeyLength: 512,
      maxSize: 2 ** 33,
    };
    const bytes = encodeConfig(config);
    assert.equal(bytes.length, configLength);
    assert.deepEqual(decodeConfig(bytes), config);
    const view = new DataView(bytes.buffer);
    assert.equal(view.getUint32(12, true), (1 << 3) | (1 << 13));
    assert.equal(view.getUint32(16, true), 1 << 8);
    assert.equal(view.getUint32(44, true), 1 << 2);
    view.setBigUint64(48, 2n ** 64n - 1n, true);
    assert.equal(decodeConfig(bytes).maxSize, Number.MAX_SAFE_INTEGER);
    assert.throws(() => decodeConfig(bytes.subarray(1)), RangeError);
  });

  it('names statuses', () => {
    assert.equal(statusName(4), 'INVSESS');
    assert.equal(statusName(99), 'status 99');
  });
});
