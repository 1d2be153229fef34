/**
 * Padding, so that a ciphertext tells little of its message's length: Padmé (Nikitin et al., "Reducing Metadata Leakage
 * from Encrypted Files and Communication with PURBs", 2019, section 4), not less than 256 bytes. Padmé adds at
 * most 12 % and leaves, of all lengths up to n, O(log log n) bits to be told apart; with the minimum, most messages look alike.
 */
import type { Bytes } from '../bytes.ts';

/** Bytes of the shortest padded content: short messages all look alike. */
export const MIN_PADDED = 256;
/** Ends the content, as in ISO/IEC 7816-4; zeros follow. */
const END = 0x80;

/** The length of the padded form of `length` bytes. */
export function paddedLength(length: number): number {
  const least = Math.max(length + 1, MIN_PADDED);
  const exponent = Math.floor(Math.log2(least));
  const mantissaBits = Math.floor(Math.log2(exponent)) + 1;
  const step = 2 ** (exponent - mantissaBits);
  return Math.ceil(least / step) * step;
}

export function pad(content: Uint8Array): Bytes {
  const padded = new Uint8Array(paddedLength(content.length));
  padded.set(content);
  padded[content.length] = END;
  return padded;
}

/**
 * The content, as a view. Call it on authenticated data only.
 * @returns `undefined` if `padded` is nothing that `pad` makes
 */
export function unpad(padded: Uint8Array): Uint8Array | undefined {
  const length = padded.findLastIndex((byte) => byte !== 0);
  if (length < 0 || padded[length] !== END || padded.length !== paddedLength(length)) return undefined;
  return padded.subarray(0, length);
}
