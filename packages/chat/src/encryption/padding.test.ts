import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MAX_CONTENT_BYTES } from './content.ts';
import { MIN_PADDED, pad, paddedLength, unpad } from './padding.ts';

const length = fc.integer({ min: 0, max: MAX_CONTENT_BYTES });

describe('padding', () => {
  it('is taken off again', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), (content) => {
        assert.deepEqual(unpad(pad(content)), content);
      }),
    );
  });

  it('gives a length that depends on the bucket alone', () => {
    fc.assert(
      fc.property(length, (bytes) => {
        const padded = paddedLength(bytes);
        assert.ok(padded > bytes && padded >= MIN_PADDED);
        // Whatever lies between a content and the end of its bucket is padded to the same length.
        assert.equal(paddedLength(padded - 1), padded);
        assert.ok(paddedLength(padded) > padded);
      }),
    );
  });

  it('makes all short messages equally long, and adds little to long ones', () => {
    for (let bytes = 0; bytes < MIN_PADDED; bytes += 1) assert.equal(paddedLength(bytes), MIN_PADDED);
    fc.assert(
      fc.property(fc.integer({ min: MIN_PADDED, max: MAX_CONTENT_BYTES }), (bytes) => {
        assert.ok(paddedLength(bytes) <= 1.12 * (bytes + 1));
      }),
    );
  });

  it('leaves few lengths to be told apart', () => {
    const lengths = new Set<number>();
    for (let bytes = 0; bytes <= MAX_CONTENT_BYTES; bytes += 1) lengths.add(paddedLength(bytes));
    assert.ok(lengths.size < 160, `${lengths.size} lengths`);
  });

  it('that is not as it should be is refused', () => {
    assert.equal(unpad(new Uint8Array(0)), undefined);
    assert.equal(unpad(new Uint8Array(256)), undefined);
    assert.equal(unpad(new Uint8Array(256).fill(1)), undefined);
    assert.equal(unpad(pad(new Uint8Array(10)).subarray(0, 255)), undefined);
    assert.equal(unpad(new Uint8Array(512).with(0, 0x80)), undefined);
  });
});
