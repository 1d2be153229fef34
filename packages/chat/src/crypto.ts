/**
 * The cryptography that is not the crypto device's business, and randomness: what it is made with is handed in, so that a browser
 * brings WebCrypto, and a simulation randomness that repeats. What WebCrypto can only do in its own time is a promise here too.
 *
 * Every implementation passes crypto.cases.ts.
 */
import type { Bytes } from './bytes.ts';

/** Of an Ed25519 private key (its seed), and of a public key. */
export const SEED_BYTES = 32;
export const PUBLIC_KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;
/** Of a SHA-256. */
export const HASH_BYTES = 32;

/**
 * Results are in memory of their own, which the caller may wipe and transfer. Arguments have been read when the call returns: the caller
 * may wipe them at once.
 */
export interface ChatCrypto {
  /** For keys: nobody can guess it. */
  randomBytes(length: number): Bytes;

  /** SHA-256 (FIPS 180-4). */
  sha256(data: Uint8Array): Promise<Bytes>;

  /** HKDF with SHA-256 (RFC 5869); at most 8,160 bytes. */
  hkdf(key: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Promise<Bytes>;

  /**
   * An Ed25519 key pair (RFC 8032).
   * @param seed 32 bytes, the private key; not kept, the caller wipes its own
   * @throws {RangeError} if it has another length
   */
  signingKey(seed: Uint8Array): Promise<SigningKey>;

  /**
   * Whether `signature` is the Ed25519 signature (RFC 8032) over `message` with the private half of `publicKey`. Any bytes of any
   * length may be given for both: what is no key, or no signature, verifies nothing.
   */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): Promise<boolean>;

  /** Argon2id version 1.3 (RFC 9106); 32 bytes. */
  argon2id(secret: Uint8Array, salt: Uint8Array, cost: Argon2Cost): Promise<Bytes>;
}

export type Argon2Cost = {
  /** In KiB. */
  readonly memory: number;
  readonly passes: number;
  readonly parallelism: number;
};

export interface SigningKey extends Disposable {
  /** 32 bytes. */
  readonly publicKey: Bytes;

  /** 64 bytes. @throws {Error} after `dispose` */
  sign(message: Uint8Array): Promise<Bytes>;

  /** Forgets the private key. Twice is fine. */
  [Symbol.dispose](): void;
}
