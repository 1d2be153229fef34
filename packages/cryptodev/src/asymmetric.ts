/**
 * Asymmetric keys: what an engine that has them offers beside ciphers and digests. They are here for the
 * standard's crypto device (AKCIPHER, VIRTIO 1.3, section 5.9.4), whose terms these are.
 */
import type { HashName } from './algorithms.ts';
import type { Completion } from './completion.ts';

export type AsymmetricName = 'rsa' | 'ecdsa';
/** The hash whose digest is signed or verified; `none`: what is given is padded as it is. */
export type RsaHash = 'none' | Exclude<HashName, 'ripemd-160'>;
/** NIST's curves over prime fields (SP 800-186). */
export type CurveName = 'p-192' | 'p-224' | 'p-256' | 'p-384' | 'p-521';

export type RsaKeyOptions = {
  readonly algorithm: 'rsa';
  readonly type: 'public' | 'private';
  /** DER of RSAPublicKey or RSAPrivateKey (RFC 8017, A.1). */
  readonly key: Uint8Array;
  /**
   * `pkcs1` is that of RFC 8017, 7.2 (RSAES-PKCS1-v1_5) and 8.2 (RSASSA-PKCS1-v1_5); `raw` is none, and
   * neither signs nor verifies.
   */
  readonly padding: 'raw' | 'pkcs1';
  /** For signatures with `pkcs1`. */
  readonly hash?: RsaHash;
};

export type EcdsaKeyOptions = {
  readonly algorithm: 'ecdsa';
  readonly type: 'public' | 'private';
  /** DER of ECPrivateKey (RFC 5915), or a public point as SEC 1, 2.3.3 encodes it. */
  readonly key: Uint8Array;
  readonly curve: CurveName;
};

export type AsymmetricKeyOptions = RsaKeyOptions | EcdsaKeyOptions;

export interface AsymmetricEngine {
  supports(algorithm: AsymmetricName): boolean;
  /**
   * Copies the key.
   * @throws {CryptoError} CRYPTO_INVALID_KEY if it is not what the options say, CRYPTO_INVALID_KEY_LENGTH if it
   *   is too long, CRYPTO_UNKNOWN_ALGORITHM if the curve is none that the engine has
   */
  createKey(options: AsymmetricKeyOptions): Completion<EngineKey>;
}

/**
 * An asymmetric key. Each operation gives its result in memory of its own.
 *
 * They throw CryptoError: CRYPTO_WRONG_OPERATION if the kind of key does not do that, CRYPTO_INVALID_DATA_LENGTH
 * if there is more data than the key takes, CRYPTO_DEVICE_FAILED for whatever else OpenSSL has against it,
 * CRYPTO_CLOSED.
 */
export interface EngineKey {
  /** Longest result, in bytes: of RSA the length of the modulus. */
  readonly maxLength: number;
  /** By a public key. */
  encrypt(plaintext: Uint8Array): Completion<Uint8Array>;
  /**
   * By a private key. PKCS #1: a ciphertext that was not made for it gives some other text, always the same for it,
   * and no error, so that nobody learns the plaintext of others' by asking (Bleichenbacher).
   */
  decrypt(ciphertext: Uint8Array): Completion<Uint8Array>;
  /** By a private key. @param digest what is signed; it is not hashed */
  sign(digest: Uint8Array): Completion<Uint8Array>;
  /** By either kind of key. */
  verify(signature: Uint8Array, digest: Uint8Array): Completion<boolean>;
  /** Wipes the key. Closing twice is fine. */
  close(): void;
}
