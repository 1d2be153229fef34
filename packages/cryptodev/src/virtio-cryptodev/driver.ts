/**
 * The driver of the virtio-cryptodev device for programs of the same process, over any transport: a
 * `CryptoDevice` whose keys and states are the device's.
 */
import type { DriverTransport } from '@skytale/virtio';
import { type AlgorithmName, aeads, hashes, hashOfMac } from '../algorithms.ts';
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
import { asCryptoError, failed } from '../driver-error.ts';
import { copyOfKey } from '../engines/keys.ts';
import { DriverMemory } from './driver-memory.ts';
import {
  aeadIv,
  aeadLength,
  checkLength,
  DriverAeadSession,
  DriverCipherSession,
  DriverDigestSession,
  type DriverSession,
  fillAeadHeader,
  type SessionHost,
  type SessionPlace,
} from './driver-sessions.ts';
import { numberOf } from './numbers.ts';
import { RequestPort } from './request-port.ts';
import {
  COP_DECRYPT,
  COP_ENCRYPT,
  configLength,
  type DeviceConfig,
  decodeConfig,
  deviceId,
  emptyRequestHeader,
  type Feature,
  featureBits,
  ioctl,
  type RequestHeader,
  requestType,
} from './wire.ts';

type Session = CipherSession | AeadSession | DigestSession;

const none = new Uint8Array(0);
const allFeatures = Object.values(featureBits).reduce((bits, bit) => bits | (1n << BigInt(bit)), 0n);

export class VirtioCryptodevDriver implements CryptoDevice {
  readonly name: string;
  readonly #transport: DriverTransport;
  readonly #config: DeviceConfig;
  readonly #features: bigint;
  readonly #handle: number;
  readonly #memory: DriverMemory;
  readonly #ports: readonly RequestPort[];
  readonly #host: SessionHost;
  readonly #open = new Set<DriverSession>();
  /** Sessions being made, and one-shot requests: what `close` waits for besides sessions. */
  readonly #underWay = new Set<Promise<unknown>>();
  #nextPort = 0;
  #closing: Promise<void> | undefined;

  private constructor(
    transport: DriverTransport,
    config: DeviceConfig,
    memory: DriverMemory,
    ports: readonly RequestPort[],
    handle: number,
    place: string,
  ) {
    this.#transport = transport;
    this.#config = config;
    this.#features = transport.features;
    this.#handle = handle;
    this.#memory = memory;
    this.#ports = ports;
    this.name = `virtio-cryptodev${place === '' ? '' : ` (${place})`} on ${config.engine}`;
    this.#host = {
      maxDataLength: config.maxDataLength,
      maxAuthLength: config.maxAuthLength,
      closed: (session) => this.#open.delete(session),
    };
  }

  /**
   * Initializes the device behind `transport`, which belongs to the driver from then on: if this fails it
   * is closed.
   * @param place where the device is, for its name
   * @throws {CryptoError} CRYPTO_UNAVAILABLE if it is none that this driver can drive; CRYPTO_DEVICE_FAILED, CRYPTO_LIMIT
   */
  static async open(transport: DriverTransport, place = ''): Promise<VirtioCryptodevDriver> {
    try {
      if (transport.deviceId !== deviceId) {
        const message = `a device of id ${transport.deviceId}; virtio-cryptodev has ${deviceId}`;
        throw new CryptoError('CRYPTO_UNAVAILABLE', message);
      }
      await transport.start({ features: allFeatures });
      const config = decodeConfig(await transport.readConfig(0, configLength));
      const queues = Math.min(config.queues, transport.queues.length);
      if (config.version === 0 || queues === 0) {
        const message = `the device has version ${config.version} and ${queues} queues`;
        throw new CryptoError('CRYPTO_UNAVAILABLE', message);
      }
      const memory = new DriverMemory(transport.memory);
      const ports = transport.queues.slice(0, queues).map((queue) => new RequestPort(queue, memory));
      const handle = await ports[0]!.control({ type: requestType.open });
      return new VirtioCryptodevDriver(transport, config, memory, ports, handle, place);
    } catch (error) {
      await transport.close();
      throw asCryptoError(error);
    }
  }

  supports(algorithm: AlgorithmName): boolean {
    const number = numberOf(algorithm);
    if (number === undefined) return false;
    if (this.#config.ciphers.includes(number)) return !(algorithm in aeads) || this.#has('aead');
    if (!this.#config.macs.includes(number)) return false;
    return this.#has(algorithm.startsWith('hmac-') ? 'mac' : 'hash');
  }

  createSession(options: CipherOptions): Promise<CipherSession>;
  createSession(options: AeadOptions): Promise<AeadSession>;
  createSession(options: DigestOptions): Promise<DigestSession>;
  createSession(options: SessionOptions): Promise<Session> {
    return this.#track(async () => {
      this.#check(options);
      return this.#create(options, this.#takePort());
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

  allocate(length: number): DeviceMemory {
    this.#assertOpen();
    return this.#memory.allocate(length);
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
    await Promise.allSettled([this.#ports[0]!.control({ type: requestType.close, handle: this.#handle })]);
    await this.#transport.close();
  }

  #check(options: SessionOptions): void {
    this.#assertOpen();
    checkSession(options);
    const algorithm = algorithmOf(options);
    if (this.supports(algorithm)) return;
    throw new CryptoError('CRYPTO_UNKNOWN_ALGORITHM', `${this.name} has no ${algorithm}`);
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new CryptoError('CRYPTO_CLOSED', 'the device is closed');
  }

  #has(feature: Feature): boolean {
    return (this.#features & (1n << BigInt(featureBits[feature]))) !== 0n;
  }

  /** Sessions take the queues in turn. */
  #takePort(): RequestPort {
    const port = this.#ports[this.#nextPort % this.#ports.length]!;
    this.#nextPort += 1;
    return port;
  }

  async #create(options: SessionOptions, port: RequestPort): Promise<DriverSession & Session> {
    const key = await this.#deviceKey(options);
    try {
      const header: RequestHeader = {
        ...emptyRequestHeader(),
        ...algorithmFields(options, key),
        type: requestType.ioctl,
        ioctl: ioctl.CIOCGSESSION,
        handle: this.#handle,
      };
      const id = await port.create(header, [key]);
      const session = this.#enter(options, key, { port, handle: this.#handle, session: id });
      this.#open.add(session);
      return session;
    } finally {
      key.fill(0);
    }
  }

  #enter(options: SessionOptions, key: Uint8Array, place: SessionPlace): DriverSession & Session {
    if ('cipher' in options) return new DriverCipherSession(this.#host, place, options.cipher);
    if ('aead' in options) {
      return new DriverAeadSession(this.#host, place, options.aead, options.tagLength ?? defaultTagLength);
    }
    return this.#digestSession(options, key, place);
  }

  /** The key is kept: a copy of the session is a session of its own, which the device must be given it for. */
  #digestSession(options: DigestOptions, key: Uint8Array, place: SessionPlace): DriverDigestSession {
    const kept = copyOfKey(key);
    const again: DigestOptions = 'mac' in options ? { mac: options.mac, key: kept } : options;
    const sibling = (source: SessionPlace): Promise<DriverDigestSession> =>
      this.#track(async () => {
        this.#check(again);
        return (await this.#create(again, source.port)) as DriverDigestSession;
      });
    const session = new DriverDigestSession(this.#host, place, digestLengthOf(options), sibling);
    session.ended = () => kept.fill(0);
    return session;
  }

  /**
   * A copy of the key as the device takes it. A MAC key that is longer than its limit is hashed first, as
   * HMAC itself does with one that is longer than a block (RFC 2104, 2).
   */
  async #deviceKey(options: SessionOptions): Promise<Uint8Array> {
    if (!('key' in options)) return none;
    const key = copyOfKey(options.key);
    if (!('mac' in options) || key.length <= this.#config.maxMacKeyLength) return key;
    try {
      await using session = (await this.#create(
        { hash: hashOfMac(options.mac) },
        this.#takePort(),
      )) as DriverDigestSession;
      return await session.digest(key);
    } finally {
      key.fill(0);
    }
  }

  async #oneShot(options: SessionOptions, operation: Operation): Promise<Bytes> {
    const { data } = operation;
    checkBytes('data', data);
    const long = operation.operation === 'digest' && data.length > this.#config.maxDataLength;
    if (!this.#has('oneShot') || long) return this.#oneByOne(options, operation);
    const key = await this.#deviceKey(options);
    try {
      return await this.#oneShotRequest(options, operation, key);
    } finally {
      key.fill(0);
    }
  }

  #oneShotRequest(options: SessionOptions, operation: Operation, key: Uint8Array): Promise<Bytes> {
    const { data } = operation;
    const header: RequestHeader = {
      ...emptyRequestHeader(),
      ...algorithmFields(options, key),
      type: requestType.oneShot,
      ioctl: 'aead' in options ? ioctl.CIOCAUTHCRYPT : ioctl.CIOCCRYPT,
      dataLength: data.length,
    };
    const port = this.#takePort();
    if (operation.operation === 'digest') {
      header.macLength = digestLengthOf(options as DigestOptions);
      return port.digest(header, [key], data);
    }
    checkLength('data', data, this.#config.maxDataLength);
    if (isAeadOperation(operation)) {
      const { aead, tagLength = defaultTagLength } = options as AeadOptions;
      const { operation: direction, nonce, associatedData = none } = operation;
      checkAeadOperation(aead, tagLength, direction, data, nonce, associatedData);
      checkLength('associated data', associatedData, this.#config.maxAuthLength);
      fillAeadHeader(header, direction, tagLength, data, associatedData);
      const iv = aeadIv(aead, nonce);
      header.ivLength = iv.length;
      const length = aeadLength(direction, tagLength, data);
      return port.transform(header, [key, iv, associatedData], data, length, true);
    }
    const iv = checkCipherOperation((options as CipherOptions).cipher, data, operation.iv);
    header.op = operation.operation === 'encrypt' ? COP_ENCRYPT : COP_DECRYPT;
    header.ivLength = iv.length;
    return port.transform(header, [key, iv], data, data.length, true);
  }

  /** For a device without one-shot requests, and for data that is too long for one. */
  async #oneByOne(options: SessionOptions, operation: Operation): Promise<Bytes> {
    await using session = await this.#create(options, this.#takePort());
    if (operation.operation === 'digest') return await (session as DigestSession).digest(operation.data);
    const { data, operation: direction } = operation;
    if (isAeadOperation(operation)) {
      return await (session as AeadSession)[direction](data, operation.nonce, operation.associatedData);
    }
    return await (session as CipherSession)[direction](data, operation.iv);
  }

  async #track<T>(work: () => Promise<T>): Promise<T> {
    const promise = work();
    this.#underWay.add(promise);
    try {
      return await promise;
    } finally {
      this.#underWay.delete(promise);
    }
  }
}

/** What says which algorithm a session has, and how long its keys are. */
function algorithmFields(options: SessionOptions, key: Uint8Array): Partial<RequestHeader> {
  const number = numberOf(algorithmOf(options));
  if (number === undefined) throw failed(`${algorithmOf(options)} has no number`);
  if ('cipher' in options || 'aead' in options) return { cipher: number, keyLength: key.length };
  return { mac: number, macKeyLength: key.length };
}

function digestLengthOf(options: DigestOptions): number {
  return hashes['mac' in options ? hashOfMac(options.mac) : options.hash].digestLength;
}
