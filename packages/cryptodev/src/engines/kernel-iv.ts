/** IVs as Linux takes them. */
import type { AeadName } from '../algorithms.ts';
import { CryptoError } from '../crypto-error.ts';

/**
 * The IV of an AEAD: its nonce. Of CCM, 16 bytes: the first is the length of the length field less one, then comes
 * the nonce (RFC 3610, 2.3).
 * @throws {CryptoError} CRYPTO_INVALID_IV_LENGTH
 */
export function kernelIv(aead: AeadName, nonce: Uint8Array): Uint8Array {
  if (aead !== 'aes-ccm') {
    assertIvLength(nonce, 12);
    return nonce;
  }
  const iv = new Uint8Array(16);
  iv[0] = 15 - nonce.length - 1;
  iv.set(nonce, 1);
  return iv;
}

/** The kernel reads as many bytes as its IVs have. @throws {CryptoError} CRYPTO_INVALID_IV_LENGTH */
export function assertIvLength(iv: Uint8Array, length: number): void {
  if (iv.length === length) return;
  throw new CryptoError('CRYPTO_INVALID_IV_LENGTH', `an IV of ${iv.length} bytes; ${length} are needed`);
}
