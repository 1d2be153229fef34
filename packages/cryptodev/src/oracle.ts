/** The same operations by node:crypto, one call each, for tests to compare with. */
import * as crypto from 'node:crypto';
import type { AeadName, CipherName, HashName } from './algorithms.ts';

type Bytes = Uint8Array<ArrayBuffer>;

export function encrypt(cipher: CipherName, key: Uint8Array, iv: Uint8Array, data: Uint8Array): Bytes {
  const bits = cipher === 'aes-xts' ? 4 * key.length : 8 * key.length;
  const name = cipher === '3des-cbc' ? 'des-ede3-cbc' : cipher.replace('-', `-${bits}-`);
  if (data.length === 0) return new Uint8Array(0);
  const context = crypto.createCipheriv(name, key, iv.length === 0 ? null : iv).setAutoPadding(false);
  return plain(context.update(data), context.final());
}

/** @returns the ciphertext with the tag behind it */
export function seal(
  aead: AeadName,
  key: Uint8Array,
  tagLength: number,
  nonce: Uint8Array,
  associatedData: Uint8Array,
  data: Uint8Array,
): Bytes {
  const name = aead === 'chacha20-poly1305' ? aead : aead.replace('-', `-${8 * key.length}-`);
  const options = { authTagLength: tagLength };
  const context = crypto.createCipheriv(name as crypto.CipherGCMTypes, key, nonce, options);
  context.setAAD(associatedData, { plaintextLength: data.length });
  return plain(context.update(data), context.final(), context.getAuthTag());
}

/** The hash, or with a key the HMAC. */
export function digest(hash: HashName, key: Uint8Array | undefined, data: Uint8Array): Bytes {
  const name = hash.replace('-', '');
  const context = key === undefined ? crypto.createHash(name) : crypto.createHmac(name, key);
  return plain(context.update(data).digest());
}

export function hasEqualHalves(cipher: CipherName, key: Uint8Array): boolean {
  const half = key.length / 2;
  return cipher === 'aes-xts' && Buffer.compare(key.subarray(0, half), key.subarray(half)) === 0;
}

/** `Uint8Array`s, for `deepEqual` tells a `Buffer` from one. */
function plain(...parts: Uint8Array[]): Bytes {
  return new Uint8Array(Buffer.concat(parts));
}
