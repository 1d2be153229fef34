/**
 * The driver of the standard's crypto device for programs of the same process, over any transport: a
 * `CryptoDevice` for what the device offers of ciphers, AEADs, hashes and MACs, and asymmetric keys beside.
 */
import type { DriverTransport } from '@skytale/virtio';
import { type AlgorithmName, aeads as aeadTable, hashOfMac, hashes as hashTable } from '../algorithms.ts';
import type { AsymmetricKeyOptions, AsymmetricName } from '../asymmetric.ts';
import {
  algorithmOf,
  checkAeadOperation,
  checkBytes,
  checkCipherOperation,
  checkOneShot,
  checkSession,
  defaultTagLength,
  isAeadOperation,
} from '../checks.ts';
import type {
  AeadOperation,
  AeadOptions,
  AeadSession,
  Bytes,
  CipherOperation,
  CipherOptions,
  CipherSession,
  CryptoDevice,
  DeviceMemory,
  DigestOperation,
  DigestOptions,
  DigestSession,
  Operation,
  SessionOptions,
} from '../crypto-device.ts';
import { CryptoError } from '../crypto-error.ts';
import { PlainMemory } from '../device-memory.ts';
import { asCryptoError } from '../driver-error.ts';
import { copyOfKey } from '../engines/keys.ts';
import { type AsymmetricKey, DriverKey } from './driver-key.ts';
import { DriverPort } from './driver-port.ts';
import {
  aeadLength,
  aeadRequest,
  DriverAeadSession,
  DriverCipherSession,
  DriverDigestSession,
  type DriverSession,
  digestSpec,
  type SessionHost,
} from './driver-sessions.ts';
import { direct, encodeStatelessAead, encodeStatelessCipher, encodeStatelessDigest } from './encode.ts';
import { akcipherNumbers, numberIn, numberOf } from './numbers.ts';
import {
  configLength,
  type DeviceConfig,
  decodeConfig,
  deviceId,
  direction,
  featureBit,
  hardwareReady,
  type ServiceName,
  service,
} from './wire.ts';

export type DriverOptions = {
  /** Where the device is, for the name of the driver. */
  readonly place?: string;
  /** Features to accept if they are offered; all of the standard's unless told. None: as Linux's driver does it. */
  readonly features?: bigint;
};

type Session = CipherSession | AeadSession | DigestSession;

const none = new Uint8Array(0);
/** Most bytes allocated at a time. */
const maxMemory = 2 ** 26;
const allFeatures = Object.values(featureBit).reduce((bits, bit) => bits | (1n << BigInt(bit)), 0n);

export class VirtioCryptoDriver implements CryptoDevice {
  readonly name: string;
  readonly #port: DriverPort;
  readonly #features: bigint;
  readonly #host: SessionHost;
  readonly #memory = new PlainMemory(maxMemory);
  readonly #open = new Set<DriverSession>();
  /** Sessions being made, and one-shot requests: what `close` waits for besides sessions. */
  readonly #underWay = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  private constructor(port: DriverPort, features: bigint, place: string) {
    this.#port = port;
    this.#features = features;
    this.name = `virtio-crypto${place === '' ? '' : ` (${place})`}`;
    this.#host = {
      port,
      opened: (session) => this.#open.add(session),
      closed: (session) => this.#open.delete(session),
    };
  }

  /**
   * Initializes the device behind `transport`, which belongs to the driver from then on: if this fails it
   * is closed.
   * @throws {CryptoError} CRYPTO_UNAVAILABLE if it is none that this driver can drive, or not ready; CRYPTO_DEVICE_FAILED
   */
  static async open(transport: DriverTransport, options: DriverOptions = {}): Promise<VirtioCryptoDriver> {
    const { place = '', features = allFeatures } = options;
    try {
      if (transport.deviceId !== deviceId) {
        const message = `a device of id ${transport.deviceId}; virtio-crypto has ${deviceId}`;
        throw new CryptoError('CRYPTO_UNAVAILABLE', message);
      }
      const accepted = await transport.start({ features: features & allFeatures });
      const config = decodeConfig(await transport.readConfig(0, configLength));
      checkConfig(config, transport.queues.length);
      const isRevision1 = hasBit(accepted, featureBit.REVISION_1);
      return new VirtioCryptoDriver(new DriverPort(transport, config, isRevision1), accepted, place);
    } catch (error) {
      await transport.close();
      throw asCryptoError(error);
    }
  }

  supports(algorithm: AlgorithmName): boolean {
    const number = numberOf(algorithm);
    if (number === undefined) return false;
    const { name, numbers } = this.#serviceOf(algorithm);
    return this.#port.config.services.includes(service[name]) && numbers.includes(number);
  }

  createSession(options: CipherOptions): Promise<CipherSession>;
  createSession(options: AeadOptions): Promise<AeadSession>;
  createSession(options: DigestOptions): Promise<DigestSession>;
  createSession(options: SessionOptions): Promise<Session> {
    return this.#track(() => {
      this.#check(options);
      return this.#create(options);
    });
  }

  oneShot(options: CipherOptions, operation: CipherOperation): Promise<Bytes>;
  oneShot(options: AeadOptions, operation: AeadOperation): Promise<Bytes>;
  oneShot(options: DigestOptions, operation: DigestOperation): Promise<Bytes>;
  oneShot(options: SessionOptions, operation: Operation): Promise<Bytes> {
    return this.#track(async () => {
      this.#check(options);
      checkOneShot(options, operation);
      return this.#oneShot(options, operation);
    });
  }

  /** Memory of this process: each request is copied into the memory shared with the device, and its result back. */
  allocate(length: number): DeviceMemory {
    this.#checkOpen();
    return this.#memory.allocate(length);
  }

  /** Whether `createKey` knows the algorithm. */
  supportsKeysOf(algorithm: AsymmetricName): boolean {
    const { services, akciphers } = this.#port.config;
    return services.includes(service.AKCIPHER) && akciphers.includes(numberIn(akcipherNumbers, algorithm));
  }

  /**
   * Gives an asymmetric key to the device.
   * @throws {CryptoError} CRYPTO_UNKNOWN_ALGORITHM, CRYPTO_DEVICE_FAILED if the device refuses the key, CRYPTO_LIMIT,
   *   CRYPTO_CLOSED
   */
  createKey(options: AsymmetricKeyOptions): Promise<AsymmetricKey> {
    return this.#track(async () => {
      this.#checkOpen();
      if (!this.supportsKeysOf(options.algorithm)) throw this.#unknown(options.algorithm);
      checkBytes('key', options.key);
      const key = await DriverKey.create(this.#host, options);
      this.#open.add(key);
      return key;
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#underWay);
    // A device that died has no sessions any more, which is all that is wanted of it.
    await Promise.allSettled([...this.#open].map((session) => session.close()));
    await this.#port.close();
  }

  #check(options: SessionOptions): void {
    this.#checkOpen();
    checkSession(options);
    if (!this.supports(algorithmOf(options))) throw this.#unknown(algorithmOf(options));
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new CryptoError('CRYPTO_CLOSED', 'the device is closed');
  }

  #unknown(algorithm: AlgorithmName | AsymmetricName): CryptoError {
    return new CryptoError('CRYPTO_UNKNOWN_ALGORITHM', `${this.name} has no ${algorithm}`);
  }

  #serviceOf(algorithm: AlgorithmName): { name: ServiceName; numbers: readonly number[] } {
    const { ciphers, aeads, hashes, macs } = this.#port.config;
    if (algorithm.startsWith('hmac-')) return { name: 'MAC', numbers: macs };
    if (algorithm in hashTable) return { name: 'HASH', numbers: hashes };
    if (algorithm in aeadTable) return { name: 'AEAD', numbers: aeads };
    return { name: 'CIPHER', numbers: ciphers };
  }

  async #create(options: SessionOptions): Promise<DriverSession & Session> {
    const key = await this.#deviceKey(options);
    try {
      const session = await this.#createWith(options, key);
      this.#open.add(session);
      return session;
    } finally {
      key.fill(0);
    }
  }

  #createWith(options: SessionOptions, key: Uint8Array): Promise<DriverSession & Session> {
    if ('cipher' in options) return DriverCipherSession.create(this.#host, options.cipher, key);
    if ('aead' in options) {
      const { aead, tagLength = defaultTagLength } = options;
      return DriverAeadSession.create(this.#host, aead, key, tagLength);
    }
    return DriverDigestSession.create(this.#host, options, key);
  }

  /**
   * A copy of the key as the device takes it. A MAC key that is longer than its limit is hashed first, as
   * HMAC itself does with one that is longer than a block (RFC 2104, 2).
   */
  async #deviceKey(options: SessionOptions): Promise<Uint8Array> {
    if (!('key' in options)) return none;
    const key = copyOfKey(options.key);
    if (!('mac' in options) || key.length <= this.#port.config.maxAuthKeyLength) return key;
    try {
      const hash: DigestOptions = { hash: hashOfMac(options.mac) };
      if (!this.supports(hash.hash)) throw this.#unknown(hash.hash);
      return await this.#oneShot(hash, { operation: 'digest', data: key });
    } finally {
      key.fill(0);
    }
  }

  async #oneShot(options: SessionOptions, operation: Operation): Promise<Bytes> {
    checkBytes('data', operation.data);
    const { name } = this.#serviceOf(algorithmOf(options));
    if (!hasBit(this.#features, featureBit[`${name}_STATELESS_MODE`]))
      return this.#oneByOne(options, operation);
    const key = await this.#deviceKey(options);
    try {
      const { parts, resultLength } = this.#statelessRequest(options, operation, key);
      return await this.#port.operate(this.#port.takeQueue(), parts, resultLength, true);
    } finally {
      key.fill(0);
    }
  }

  #statelessRequest(
    options: SessionOptions,
    operation: Operation,
    key: Uint8Array,
  ): { parts: Uint8Array[]; resultLength: number } {
    const { data } = operation;
    const sourceLength = data.length;
    if (operation.operation === 'digest') {
      const spec = digestSpec(options as DigestOptions, key);
      const { resultLength } = spec;
      const header = encodeStatelessDigest(spec, { sourceLength, resultLength });
      return { parts: [header, key, data], resultLength };
    }
    const low = direct[operation.operation];
    const op = operation.operation === 'encrypt' ? direction.ENCRYPT : direction.DECRYPT;
    const spec = { algo: numberOf(algorithmOf(options))!, op, keyLength: key.length };
    if (isAeadOperation(operation)) {
      const { aead, tagLength = defaultTagLength } = options as AeadOptions;
      const { nonce, associatedData = none } = operation;
      checkAeadOperation(aead, tagLength, operation.operation, data, nonce, associatedData);
      const resultLength = aeadLength(operation.operation, tagLength, data);
      const request = aeadRequest(data, nonce, associatedData, tagLength, resultLength);
      const header = encodeStatelessAead({ ...spec, tagLength }, request, low);
      return { parts: [header, key, nonce, data, associatedData], resultLength };
    }
    const iv = checkCipherOperation((options as CipherOptions).cipher, data, operation.iv);
    const request = { ivLength: iv.length, sourceLength, destinationLength: sourceLength };
    return { parts: [encodeStatelessCipher(spec, request, low), key, iv, data], resultLength: sourceLength };
  }

  /** For a device without stateless mode. */
  async #oneByOne(options: SessionOptions, operation: Operation): Promise<Bytes> {
    await using session = await this.#create(options);
    if (operation.operation === 'digest') return await (session as DigestSession).digest(operation.data);
    const { data, operation: direction } = operation;
    if (isAeadOperation(operation)) {
      return await (session as AeadSession)[direction](data, operation.nonce, operation.associatedData);
    }
    return await (session as CipherSession)[direction](data, operation.iv);
  }

  async #track<T>(work: () => Promise<T>): Promise<T> {
    const promise = (async () => work())();
    this.#underWay.add(promise);
    try {
      return await promise;
    } finally {
      this.#underWay.delete(promise);
    }
  }
}

function checkConfig(config: DeviceConfig, queues: number): void {
  if ((config.status & hardwareReady) === 0) {
    throw new CryptoError(
      'CRYPTO_UNAVAILABLE',
      'the device is not ready: VIRTIO_CRYPTO_S_HW_READY is not set',
    );
  }
  // The control queue is the one behind the data queues (5.9.2).
  if (config.maxDataQueues < 1 || queues <= config.maxDataQueues) {
    const message = `the device has ${queues} queues, and says that ${config.maxDataQueues} of them are for data`;
    throw new CryptoError('CRYPTO_UNAVAILABLE', message);
  }
}

function hasBit(features: bigint, bit: number): boolean {
  return (features & (1n << BigInt(bit))) !== 0n;
}
