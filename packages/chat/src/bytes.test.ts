import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  compareBytes,
  concat,
  copyOf,
  equalBytes,
  fromBase64url,
  fromHex,
  toBase64url,
  toHex,
  u64,
} from './bytes.ts';

const bytes = fc.uint8Array({ maxLength: 70 });

describe('bytes', () => {
  it('are written as Node writes them, and read back', () => {
    fc.assert(
      fc.property(bytes, (value) => {
        assert.equal(toHex(value), Buffer.from(value).toString('hex'));
        assert.equal(toBase64url(value), Buffer.from(value).toString('base64url'));
        assert.deepEqual(fromHex(toHex(value), value.length), value);
        assert.deepEqual(fromBase64url(toBase64url(value), value.length), value);
      }),
    );
  });

  it('are read from what the writing gives, and from nothing else', () => {
    const character = fc.constantFrom(...'ABCabc019-_+/= \n.\u00e9\u{1f389}');
    const text = fc.string({ unit: character, maxLength: 12 });
    fc.assert(
      fc.property(text, fc.nat({ max: 9 }), (value, length) => {
        const read = fromBase64url(value, length);
        assert.ok(read === undefined || (read.length === length && toBase64url(read) === value));
        const digits = fromHex(value, length);
        assert.ok(digits === undefined || (digits.length === length && toHex(digits) === value));
      }),
      { numRuns: 2000 },
    );
    for (const [value, length] of [
      ['AB', 1],
      ['AA=', 1],
      ['AA==', 1],
      ['AA', 2],
      ['AAA', 1],
      ['A', 0],
      ['AAAA+A', 4],
    ] as const) {
      assert.equal(fromBase64url(value, length), undefined, value);
    }
    for (const value of ['0', '000', '0G', 'AB', ' 0', '-1', '0x'])
      assert.equal(fromHex(value, 1), undefined);
  });

  it('are equal, or in order, as Node says', () => {
    fc.assert(
      fc.property(bytes, bytes, (one, other) => {
        assert.equal(equalBytes(one, other), Buffer.compare(one, other) === 0);
        assert.equal(Math.sign(compareBytes(one, other)), Buffer.compare(one, other));
        assert.ok(equalBytes(one, one.slice()));
      }),
    );
  });

  it('are put together and copied into memory of their own', () => {
    const view = Buffer.from('a small buffer, of the pool').subarray(2, 7);
    for (const copy of [concat(view), copyOf(view), concat()]) {
      assert.equal(copy.buffer.byteLength, copy.length);
      assert.equal(Object.getPrototypeOf(copy), Uint8Array.prototype);
    }
    assert.deepEqual(
      concat(Uint8Array.of(1), new Uint8Array(0), Uint8Array.of(2, 3)),
      Uint8Array.of(1, 2, 3),
    );
  });

  it('hold numbers up to the largest that is safe', () => {
    assert.equal(toHex(u64(0)), '0000000000000000');
    assert.equal(toHex(u64(258)), '0000000000000102');
    assert.equal(toHex(u64(Number.MAX_SAFE_INTEGER)), '001fffffffffffff');
  });
});
