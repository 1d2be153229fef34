/**
 * What carries out the sessions of a `SessionDevice`: an engine of this process, or a driver's way to a device. Narrow,
 * because all that programs can do wrong has been found before: algorithms are supported, lengths of keys, data,
 * IVs and outputs are right, and what was closed is not used.
 *
 * The methods throw or reject: CryptoError CRYPTO_DEVICE_FAILED, CRYPTO_LIMIT, CRYPTO_CLOSED, and
 * CRYPTO_INVALID_DATA_LENGTH for more than the port itself takes.
 */
import type { AlgorithmName } from './algorithms.ts';
import type {
  AeadOptions,
  Bytes,
  CipherOptions,
  DeviceMemory,
  DigestOptions,
  Direction,
} from './crypto-device.ts';

/** Options with nothing left out. */
export type PortCipherOptions = CipherOptions | Required<AeadOptions>;
export type PortOptions = PortCipherOptions | DigestOptions;

export interface SessionPort {
  /** As `CryptoDevice.name`. */
  readonly name: string;
  /** The longest key of a MAC in bytes: of a longer one the hash is given, as HMAC does it itself (RFC 2104, 2). */
  readonly maxMacKeyLength: number;
  readonly memory: { allocate(length: number): DeviceMemory };
  supports(algorithm: AlgorithmName): boolean;
  /** The key stays as it is until this has answered, and is wiped then: the port copies what it needs for longer. */
  createCipher(options: PortCipherOptions): Promise<PortCipher>;
  createDigest(options: DigestOptions): Promise<PortDigest>;
  /** Session and operation in one. @returns undefined if the port has no way for this one but a session */
  oneShot?(options: PortOptions, operation: PortOperation): Promise<Bytes> | undefined;
  /** Lets go of engine or device. There are no sessions any more, unless the device died. */
  close(): Promise<void>;
}

/** What an operation asks for. `iv` and `associatedData` are empty where there are none. */
export type PortOperation = {
  readonly operation: Direction | 'digest';
  readonly data: Uint8Array;
  readonly iv: Uint8Array;
  readonly associatedData: Uint8Array;
  /** Of the result, in bytes. */
  readonly length: number;
};

/** Operations on one session are carried out in the order of the calls. */
interface PortSession {
  /** Wipes the key, after the operations called before. Called once. */
  destroy(): Promise<unknown>;
}

/** A cipher or an AEAD. */
export interface PortCipher extends PortSession {
  /**
   * @param iv the nonce of an AEAD
   * @param length of the result, in bytes
   * @param output for the result, long enough, perhaps over `data`; undefined for an array of its own
   * @returns the result; its length if there is an `output`
   */
  crypt(
    direction: Direction,
    data: Uint8Array,
    iv: Uint8Array,
    associatedData: Uint8Array,
    length: number,
    output: Uint8Array | undefined,
  ): Promise<Bytes | number>;
}

export interface PortDigest extends PortSession {
  update(data: Uint8Array): Promise<void>;
  /** Adds `data`, and starts anew. */
  digest(data: Uint8Array): Promise<Bytes>;
  /** Another with the state that this one has when what was called before has been carried out. */
  copy(): Promise<PortDigest>;
}
