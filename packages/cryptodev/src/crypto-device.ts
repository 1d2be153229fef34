/**
 * The session API: a key goes in once, operations follow, `close` wipes the key. Everything that does
 * cryptography for a program has this interface: the engines of the host, and the drivers of our virtual
 * devices, which carry it to an engine elsewhere.
 *
 * Keys are copied by the call; data, IVs and associated data are not: they must stay as they are until the
 * call has answered.
 */
import type { AeadName, AlgorithmName, CipherName, HashName, MacName } from './algorithms.ts';

/** What every call answers with; operations on one session are carried out in the order of the calls. */
export type Bytes = Uint8Array<ArrayBuffer>;

export interface CryptoDevice extends AsyncDisposable {
  /** For people: what it is and what does the work, like `virtio-cryptodev on openssl`. */
  readonly name: string;
  /** Whether `createSession` knows the algorithm. */
  supports(algorithm: AlgorithmName): boolean;

  /**
   * Creates a session. The key is copied; the caller may wipe its own at once.
   * @throws {CryptoError} CRYPTO_UNKNOWN_ALGORITHM, CRYPTO_INVALID_KEY_LENGTH, CRYPTO_INVALID_KEY,
   *   CRYPTO_INVALID_TAG_LENGTH, CRYPTO_LIMIT, CRYPTO_CLOSED, CRYPTO_DEVICE_FAILED
   */
  createSession(options: CipherOptions): Promise<CipherSession>;
  createSession(options: AeadOptions): Promise<AeadSession>;
  createSession(options: DigestOptions): Promise<DigestSession>;

  /**
   * Session and operation in one, for those who use a key once; over a virtual device a single request.
   * Errors: as for the session and its operation.
   */
  oneShot(options: CipherOptions, operation: CipherOperation): Promise<Bytes>;
  oneShot(options: AeadOptions, operation: AeadOperation): Promise<Bytes>;
  oneShot(options: DigestOptions, operation: DigestOperation): Promise<Bytes>;

  /**
   * Memory that the device reaches without a copy: for data and output of `encryptInto` and `decryptInto`, which
   * take other memory too.
   * @param length in bytes, at least 1
   * @throws {CryptoError} CRYPTO_LIMIT if there is no such piece; CRYPTO_CLOSED
   */
  allocate(length: number): DeviceMemory;

  /** Closes all sessions and the device. Operations under way end first. Closing twice is fine. */
  close(): Promise<void>;
}

/**
 * A piece of memory, at first of zeros. Disposing gives it back, and overwrites what others could get to see; after that, and
 * after its device was closed, the bytes must not be used. Operations that use it end first.
 */
export interface DeviceMemory extends Disposable {
  readonly bytes: Uint8Array;
}

export type CipherOptions = { readonly cipher: CipherName; readonly key: Uint8Array };
/** `tagLength` in bytes, 16 unless told. */
export type AeadOptions = { readonly aead: AeadName; readonly key: Uint8Array; readonly tagLength?: number };
export type DigestOptions = { readonly hash: HashName } | { readonly mac: MacName; readonly key: Uint8Array };
export type SessionOptions = CipherOptions | AeadOptions | DigestOptions;

export type Direction = 'encrypt' | 'decrypt';
export type CipherOperation = {
  readonly operation: Direction;
  readonly data: Uint8Array;
  readonly iv?: Uint8Array;
};
export type AeadOperation = {
  readonly operation: Direction;
  readonly data: Uint8Array;
  readonly nonce: Uint8Array;
  readonly associatedData?: Uint8Array;
};
export type DigestOperation = { readonly operation: 'digest'; readonly data: Uint8Array };
export type Operation = CipherOperation | AeadOperation | DigestOperation;

interface SessionBase extends AsyncDisposable {
  /** Wipes the key. Operations called before end first; those called after fail with CRYPTO_CLOSED. */
  close(): Promise<void>;
}

/** A cipher without authentication and without padding. Each call is a message of its own. */
export interface CipherSession extends SessionBase {
  /**
   * @param data a multiple of the algorithm's block size, or empty
   * @param iv of the algorithm's length; left out only where that is 0 (ECB)
   * @throws {CryptoError} CRYPTO_INVALID_DATA_LENGTH, CRYPTO_INVALID_IV_LENGTH, CRYPTO_CLOSED, CRYPTO_DEVICE_FAILED
   */
  encrypt(data: Uint8Array, iv?: Uint8Array): Promise<Bytes>;
  /** The inverse of `encrypt`; the same errors. */
  decrypt(data: Uint8Array, iv?: Uint8Array): Promise<Bytes>;
  /**
   * As `encrypt`, but the result goes to the start of `output`, which may be `data` itself. Without a copy where
   * both lie in memory of the device's (`allocate`).
   * @param output at least as long as the result, otherwise CRYPTO_INVALID_DATA_LENGTH; undefined if the call fails
   * @returns bytes written
   */
  encryptInto(data: Uint8Array, output: Uint8Array, iv?: Uint8Array): Promise<number>;
  /** The inverse of `encryptInto`; the same errors. */
  decryptInto(data: Uint8Array, output: Uint8Array, iv?: Uint8Array): Promise<number>;
}

/** An authenticated cipher. The caller must never give the same nonce twice with one key. */
export interface AeadSession extends SessionBase {
  /**
   * @returns the ciphertext with the tag behind it
   * @throws {CryptoError} CRYPTO_INVALID_IV_LENGTH, CRYPTO_INVALID_DATA_LENGTH, CRYPTO_CLOSED, CRYPTO_DEVICE_FAILED
   */
  encrypt(data: Uint8Array, nonce: Uint8Array, associatedData?: Uint8Array): Promise<Bytes>;
  /**
   * @param data ciphertext with the tag behind it
   * @throws {CryptoError} CRYPTO_AUTHENTICATION_FAILED, and as `encrypt`
   */
  decrypt(data: Uint8Array, nonce: Uint8Array, associatedData?: Uint8Array): Promise<Bytes>;
  /**
   * As `encrypt`, but the result goes to the start of `output`, where `data` may be already; see
   * `CipherSession.encryptInto`.
   * @param output at least as long as data and tag, otherwise CRYPTO_INVALID_DATA_LENGTH; undefined if the call fails
   * @returns bytes written
   */
  encryptInto(
    data: Uint8Array,
    output: Uint8Array,
    nonce: Uint8Array,
    associatedData?: Uint8Array,
  ): Promise<number>;
  /** The inverse of `encryptInto`. If it fails nothing decrypted is left in `output`. */
  decryptInto(
    data: Uint8Array,
    output: Uint8Array,
    nonce: Uint8Array,
    associatedData?: Uint8Array,
  ): Promise<number>;
}

/** A hash or a MAC in one or many parts. */
export interface DigestSession extends SessionBase {
  /** Adds data to the state. */
  update(data: Uint8Array): Promise<void>;
  /** Adds `data`, if given, returns the digest of all parts, and starts anew (with the same key). */
  digest(data?: Uint8Array): Promise<Bytes>;
  /** A new session with a copy of the state; each goes on by itself. */
  copy(): Promise<DigestSession>;
}
