/**
 * The primitives that are not the crypto device's business: hash, HKDF, Ed25519, Argon2id. All by Node's
 * OpenSSL; the one module of the encryption that would differ in a browser.
 */
import {
  argon2,
  createPrivateKey,
  createPublicKey,
  hash,
  hkdfSync,
  type KeyObject,
  randomFillSync,
  sign,
  verify,
} from 'node:crypto';

export type Bytes = Uint8Array<ArrayBuffer>;

export const PUBLIC_KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;

export function randomBytes(length: number): Bytes {
  return randomFillSync(new Uint8Array(length));
}

/** SHA-256 (FIPS 180-4); 32 bytes. */
export function sha256(data: Uint8Array): Bytes {
  return own(hash('sha256', data, 'buffer'));
}

/** HKDF with SHA-256 (RFC 5869). */
export function hkdf(key: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Bytes {
  return new Uint8Array(hkdfSync('sha256', key, salt, info, length));
}

/** Argon2id version 1.3 (RFC 9106), 32 bytes; on the thread pool. `memory` in KiB. */
export function argon2id(
  secret: Uint8Array,
  salt: Uint8Array,
  cost: { readonly memory: number; readonly passes: number; readonly parallelism: number },
): Promise<Bytes> {
  const parameters = { message: secret, nonce: salt, tagLength: 32, ...cost };
  return new Promise((resolve, reject) => {
    argon2('argon2id', parameters, (error, key) => (error === null ? resolve(own(key)) : reject(error)));
  });
}

/** An Ed25519 key pair (RFC 8032). The seed is not kept; Node wipes its own copy when the object is collected. */
export class SigningKey {
  readonly publicKey: Bytes;
  readonly #key: KeyObject;

  /** @param seed 32 bytes, the private key of RFC 8032 */
  constructor(seed: Uint8Array) {
    this.#key = createPrivateKey({
      key: Buffer.from(seed),
      format: 'raw-private',
      asymmetricKeyType: 'ed25519',
    });
    this.publicKey = own(createPublicKey(this.#key).export({ format: 'raw-public' }));
  }

  /** 64 bytes. */
  sign(message: Uint8Array): Bytes {
    return own(sign(null, message, this.#key));
  }
}

/** Checks Ed25519 signatures of one public key. */
export class VerifyingKey {
  readonly #key: KeyObject;

  /** @param publicKey 32 bytes, which need not be a point on the curve: no signature matches those that are not */
  constructor(publicKey: Uint8Array) {
    const key = Buffer.from(publicKey);
    this.#key = createPublicKey({ key, format: 'raw-public', asymmetricKeyType: 'ed25519' });
  }

  /** On the thread pool, so that several are checked at once. */
  verify(message: Uint8Array, signature: Uint8Array): Promise<boolean> {
    return new Promise((resolve, reject) => {
      verify(null, message, this.#key, signature, (error, ok) =>
        error === null ? resolve(ok) : reject(error),
      );
    });
  }
}

/** Node's small Buffers share one pool; what is handed on must not, so that it can be wiped and transferred. */
function own(buffer: Uint8Array): Bytes {
  return new Uint8Array(buffer);
}
