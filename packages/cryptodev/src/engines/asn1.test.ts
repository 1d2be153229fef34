/** The parsers of keys, on what is none. Keys that are some are beside node:crypto in the tests of virtio-crypto. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { CryptoError } from '../crypto-error.ts';
import { parseEcPrivateKey, parseRsaPrivateKey, parseRsaPublicKey } from './asn1.ts';

const hex = (digits: string) => Uint8Array.fromHex(digits.replaceAll(' ', ''));

function refused(parse: () => unknown): void {
  assert.throws(parse, (error) => error instanceof CryptoError && error.code === 'CRYPTO_INVALID_KEY');
}

describe('ASN.1 keys', () => {
  it('reads numbers without their leading zeros, and lengths of any form', () => {
    const short = parseRsaPublicKey(hex('30 0a 02 04 00 c0ffee 02 02 00 03'));
    assert.deepEqual(short, { modulus: hex('c0ffee'), publicExponent: hex('03') });
    const long = parseRsaPublicKey(hex('30 83 00000e 02 82 0003 c0ffee 02 84 00000001 03'));
    assert.deepEqual(long, short);
  });

  it('takes the primes of a private key only if they are all there', () => {
    const of = (last: string) => parseRsaPrivateKey(hex(`30 1b 02 01 00 02 01 07 02 01 03 02 01 05 ${last}`));
    const whole = of('02 01 0b 02 01 0d 02 01 01 02 01 02 02 01 04');
    assert.deepEqual(
      whole.crt?.map((number) => number.toHex()),
      ['0b', '0d', '01', '02', '04'],
    );
    assert.equal(of('02 01 0b 02 01 0d 02 01 00 02 01 02 02 01 04').crt, undefined);
  });

  it('refuses the curve of another, and points that are not whole bytes', () => {
    const p256 = 'a0 0a 06 08 2a8648ce3d030107';
    assert.deepEqual(parseEcPrivateKey(hex(`30 12 02 01 01 04 01 09 ${p256}`), 'p-256').scalar, hex('09'));
    refused(() => parseEcPrivateKey(hex(`30 12 02 01 01 04 01 09 ${p256}`), 'p-384'));
    // Explicit parameters of a curve, where its name should be.
    refused(() => parseEcPrivateKey(hex('30 0d 02 01 01 04 01 09 a0 05 30 03 02 01 01'), 'p-256'));
    const point = (bits: string) =>
      parseEcPrivateKey(hex(`30 0d 02 01 01 04 01 09 a1 05 03 03 ${bits}`), 'p-256');
    assert.deepEqual(point('00 04 05').point, hex('0405'));
    refused(() => point('01 04 05'));
  });

  it('refuses all that is cut off', () => {
    const key = hex('30 1b 02 01 00 02 01 07 02 01 03 02 01 05 02 01 0b 02 01 0d 02 01 01 02 01 02 02 01 04');
    for (let length = 0; length < key.length; length++)
      refused(() => parseRsaPrivateKey(key.subarray(0, length)));
  });

  it('takes or refuses any bytes, and does nothing else', () => {
    const tag = fc.constantFrom(0x02, 0x03, 0x04, 0x06, 0x30, 0xa0, 0xa1, 0x80, 0x81, 0x84, 0x01, 0x00);
    const bytes = fc
      .array(fc.oneof(tag, fc.nat(255)), { maxLength: 60 })
      .map((list) => Uint8Array.from(list));
    fc.assert(
      fc.property(bytes, (random) => {
        for (const whole of [random, Uint8Array.of(0x30, random.length, ...random)]) {
          for (const parse of [
            parseRsaPublicKey,
            parseRsaPrivateKey,
            (der: Uint8Array) => parseEcPrivateKey(der, 'p-256'),
          ]) {
            try {
              parse(whole);
            } catch (error) {
              assert.ok(error instanceof CryptoError && error.code === 'CRYPTO_INVALID_KEY');
            }
          }
        }
      }),
      { numRuns: 2000 },
    );
  });
});
