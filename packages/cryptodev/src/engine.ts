/**
 * What does the cryptography: the narrow interface behind every `CryptoDevice` and every device model.
 * It works on `Segments`, in place where it can, so that a device encrypts straight in a guest's memory.
 *
 * Callers have checked all lengths against `algorithms.ts` (and that source and destination are equally
 * long); an engine checks only what it alone knows. An engine in this process answers at once; one that
 * cannot (webcrypto) answers with a promise, and the caller awaits it before the next call on the same object.
 */
import type { Segments } from '@skytale/virtio';
import type { AeadName, AlgorithmName, CipherName, HashName, MacName } from './algorithms.ts';
import type { AsymmetricEngine } from './asymmetric.ts';
import type { Completion } from './completion.ts';
import type { Direction } from './crypto-device.ts';

export type EngineName = 'ipsec-mb' | 'openssl' | 'node' | 'webcrypto' | 'cryptodev' | 'af-alg';

export interface Engine {
  readonly name: EngineName;
  /** For people, where the name does not say it all: the path of a device. */
  readonly title?: string;
  supports(algorithm: AlgorithmName): boolean;
  /** Each of these copies the key. @throws {CryptoError} CRYPTO_UNKNOWN_ALGORITHM, CRYPTO_INVALID_KEY */
  createCipher(cipher: CipherName, key: Uint8Array): Completion<EngineCipher>;
  createAead(aead: AeadName, key: Uint8Array, tagLength: number): Completion<EngineAead>;
  createHash(hash: HashName): Completion<EngineDigest>;
  createMac(mac: MacName, key: Uint8Array): Completion<EngineDigest>;
  /** Room for operations to be carried out together, if it can; such an engine answers at once. */
  createBatch?(): CipherBatch;
  /** Its asymmetric keys, if it has any. */
  readonly asymmetric?: AsymmetricEngine;
  /** Lets go of what it holds, if it holds anything; its sessions are closed before. */
  close?(): void;
}

export interface EngineCipher {
  /**
   * Transforms `source` into `destination`, equally long. They may be the same ranges (in place), but must
   * not overlap otherwise.
   */
  crypt(direction: Direction, iv: Uint8Array, source: Segments, destination: Segments): Completion<void>;
  /** Wipes the key. Closing twice is fine. */
  close(): void;
}

/**
 * Operations that are carried out together: a processor with wide registers works on many messages at a time, where
 * a mode like CBC makes it wait for each block of one. To be run before a key in it is closed, or memory
 * unmapped or detached.
 */
export interface CipherBatch {
  /** The most operations in it. */
  readonly capacity: number;
  /** In bytes: an operation on fewer is done faster by `EngineCipher.crypt`, counting what it takes to wait for others. */
  readonly shortest: number;
  /**
   * Puts an operation in, for `run`; the IV is copied. What the operations write must not overlap with what others read or
   * write, or nothing is said of the data there.
   * @returns false if this one is to be done by `crypt`, or the batch is full
   */
  add(
    cipher: EngineCipher,
    direction: Direction,
    iv: Uint8Array,
    source: Segments,
    destination: Segments,
  ): boolean;
  /**
   * Carries out what is in it, and leaves it empty.
   * @throws {CryptoError} if it did not all succeed: nothing is known of any of them then
   */
  run(): void;
}

export interface EngineAead {
  /** Encrypts `source` into `destination` and writes the tag, of the length given at creation, into `tag`. */
  seal(
    nonce: Uint8Array,
    associatedData: Segments,
    source: Segments,
    destination: Segments,
    tag: Uint8Array,
  ): Completion<void>;
  /**
   * Decrypts `source` into `destination`.
   * @returns false if `tag` does not match; `destination` is then all zeros
   */
  open(
    nonce: Uint8Array,
    associatedData: Segments,
    source: Segments,
    destination: Segments,
    tag: Uint8Array,
  ): Completion<boolean>;
  close(): void;
}

export interface EngineDigest {
  update(data: Segments): Completion<void>;
  /** Writes the digest into `output` (as long as the digest) and returns to the fresh state. */
  digest(output: Uint8Array): Completion<void>;
  /** Returns to the fresh state, key kept. */
  reset(): Completion<void>;
  copy(): Completion<EngineDigest>;
  close(): void;
}
