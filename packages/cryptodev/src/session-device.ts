/**
 * The `CryptoDevice` that all are: checks, limits and lifetimes over a `SessionPort`, which does the work. Below it
 * are ports (`engine-device.ts`, the drivers of the devices), and none of them knows another.
 */
import type { AeadName, AlgorithmName, CipherName } from './algorithms.ts';
import { hashes, hashOfMac } from './algorithms.ts';
import {
  algorithmOf,
  checkAeadOperation,
  checkBytes,
  checkCipherOperation,
  checkOneShot,
  checkSession,
  defaultTagLength,
  isAeadOperation,
} from './checks.ts';
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
  Direction,
  Operation,
  SessionOptions,
} from './crypto-device.ts';
import { CryptoError } from './crypto-error.ts';
import { checkOutput } from './device-memory.ts';
import { KeyCopy } from './engines/keys.ts';
import type { PortCipher, PortDigest, PortOperation, PortOptions, SessionPort } from './session-port.ts';

const none: Uint8Array = new Uint8Array(0);

export class SessionDevice implements CryptoDevice {
  readonly #port: SessionPort;
  readonly #maxSessions: number;
  readonly #open = new Set<DeviceSession>();
  /** Sessions being created or copied, and one-shot operations: what `close` waits for besides sessions. */
  readonly #underWay = new Set<Promise<unknown>>();
  #creating = 0;
  #closing: Promise<void> | undefined;

  /** @param maxSessions open at a time; one-shot operations do not count */
  constructor(port: SessionPort, maxSessions = Infinity) {
    this.#port = port;
    this.#maxSessions = maxSessions;
  }

  get name(): string {
    return this.#port.name;
  }

  supports(algorithm: AlgorithmName): boolean {
    return this.#port.supports(algorithm);
  }

  createSession(options: CipherOptions): Promise<CipherSession>;
  createSession(options: AeadOptions): Promise<AeadSession>;
  createSession(options: DigestOptions): Promise<DigestSession>;
  createSession(options: SessionOptions): Promise<CipherSession | AeadSession | DigestSession> {
    return this.adopt(() => this.#create(options), options);
  }

  oneShot(options: CipherOptions, operation: CipherOperation): Promise<Bytes>;
  oneShot(options: AeadOptions, operation: AeadOperation): Promise<Bytes>;
  oneShot(options: DigestOptions, operation: DigestOperation): Promise<Bytes>;
  oneShot(options: SessionOptions, operation: Operation): Promise<Bytes> {
    return this.#track(this.#oneShot(options, operation));
  }

  allocate(length: number): DeviceMemory {
    this.assertOpen();
    return this.#port.memory.allocate(length);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @throws {CryptoError} CRYPTO_CLOSED */
  protected assertOpen(): void {
    if (this.#closing !== undefined) throw new CryptoError('CRYPTO_CLOSED', 'the device is closed');
  }

  protected unknown(algorithm: string): CryptoError {
    return new CryptoError('CRYPTO_UNKNOWN_ALGORITHM', `${this.name} has no ${algorithm}`);
  }

  /**
   * Counts a session that `create` makes, if there is room for it, until it is closed, at the latest with the device.
   * @param options of the session, if they are still to be checked
   * @throws {CryptoError} CRYPTO_CLOSED, CRYPTO_LIMIT, and what is wrong with the options
   */
  protected adopt<S extends DeviceSession>(create: () => Promise<S>, options?: SessionOptions): Promise<S> {
    return this.#track(this.#adopt(create, options));
  }

  async #adopt<S extends DeviceSession>(create: () => Promise<S>, options?: SessionOptions): Promise<S> {
    this.assertOpen();
    if (options !== undefined) this.#check(options);
    if (this.#open.size + this.#creating >= this.#maxSessions) {
      const message = `${this.#maxSessions} sessions are open, which is the limit; close one`;
      throw new CryptoError('CRYPTO_LIMIT', message);
    }
    this.#creating += 1;
    try {
      const session = await create();
      this.#open.add(session);
      session.closed = () => this.#open.delete(session);
      return session;
    } finally {
      this.#creating -= 1;
    }
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#underWay);
    // A device that died has no sessions any more, which is all that is wanted of it.
    await Promise.allSettled([...this.#open].map((session) => session.close()));
    await this.#port.close();
  }

  #check(options: SessionOptions): void {
    checkSession(options);
    const algorithm = algorithmOf(options);
    if (!this.supports(algorithm)) throw this.unknown(algorithm);
  }

  async #create(options: SessionOptions): Promise<CryptSession | HashSession> {
    using own = new OwnOptions(options);
    if (own.macKeyLength > this.#port.maxMacKeyLength) await this.#shorten(own);
    const keyed = own.options;
    return isDigest(keyed)
      ? new HashSession(await this.#port.createDigest(keyed), (copy) => this.adopt(copy))
      : new CryptSession(await this.#port.createCipher(keyed), targetOf(keyed));
  }

  async #oneShot(options: SessionOptions, operation: Operation): Promise<Bytes> {
    this.assertOpen();
    this.#check(options);
    const asked = checkedOperation(options, operation);
    using own = new OwnOptions(options);
    if (own.macKeyLength > this.#port.maxMacKeyLength) await this.#shorten(own);
    return await this.#perform(own.options, asked);
  }

  async #shorten(own: OwnOptions): Promise<void> {
    const { mac, key } = own.options as MacOptions;
    const hash = hashOfMac(mac);
    if (!this.supports(hash)) throw this.unknown(hash);
    const asked = checkedOperation({ hash }, { operation: 'digest', data: key });
    const short = await this.#perform({ hash }, asked);
    own.replaceKey(short);
    short.fill(0);
  }

  #perform(options: PortOptions, asked: PortOperation): Promise<Bytes> {
    return this.#port.oneShot?.(options, asked) ?? this.#oneByOne(options, asked);
  }

  /** By a session, for ports that have no other way. */
  async #oneByOne(options: PortOptions, asked: PortOperation): Promise<Bytes> {
    const { operation, data, iv, associatedData, length } = asked;
    const session = isDigest(options)
      ? await this.#port.createDigest(options)
      : await this.#port.createCipher(options);
    try {
      if (operation === 'digest') return await (session as PortDigest).digest(data);
      const cipher = session as PortCipher;
      return (await cipher.crypt(operation, data, iv, associatedData, length, undefined)) as Bytes;
    } finally {
      await session.destroy();
    }
  }

  async #track<T>(promise: Promise<T>): Promise<T> {
    this.#underWay.add(promise);
    try {
      return await promise;
    } finally {
      this.#underWay.delete(promise);
    }
  }
}

type MacOptions = Extract<DigestOptions, { mac: unknown }>;

/** Options with a copy of the key, so that the caller may wipe its own at once. Disposing wipes it. */
class OwnOptions implements Disposable {
  options: PortOptions;
  /** 0 of what is no MAC. */
  readonly macKeyLength: number;
  #key: KeyCopy | undefined;

  constructor(options: SessionOptions) {
    this.#key = 'key' in options ? new KeyCopy(options.key) : undefined;
    this.options = complete(options, this.#key?.key ?? none);
    this.macKeyLength = 'mac' in options ? options.key.length : 0;
  }

  /** Has a copy of `key` in place of the one it had. */
  replaceKey(key: Uint8Array): void {
    this.#key?.wipe();
    this.#key = new KeyCopy(key);
    this.options = complete(this.options, this.#key.key);
  }

  [Symbol.dispose](): void {
    this.#key?.wipe();
  }
}

function complete(options: SessionOptions, key: Uint8Array): PortOptions {
  if ('cipher' in options) return { cipher: options.cipher, key };
  if ('aead' in options) return { aead: options.aead, key, tagLength: options.tagLength ?? defaultTagLength };
  return 'mac' in options ? { mac: options.mac, key } : options;
}

/** What is open in a device until it is closed, which happens once. */
export abstract class DeviceSession implements AsyncDisposable {
  /** What the device wants to be told when the session is gone. */
  closed: () => void = () => {};
  #closing: Promise<void> | undefined;

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Ends what stands behind it, after the operations called before. */
  protected abstract destroy(): Promise<unknown>;

  /** @throws {CryptoError} CRYPTO_CLOSED */
  protected assertOpen(): void {
    if (this.#closing !== undefined) throw new CryptoError('CRYPTO_CLOSED', 'the session is closed');
  }

  async #close(): Promise<void> {
    try {
      await this.destroy();
    } finally {
      this.closed();
    }
  }
}

/** What a cipher session works with; an object of the same shape for ciphers and AEADs. */
type Target = {
  readonly cipher: CipherName | undefined;
  readonly aead: AeadName | undefined;
  readonly tagLength: number;
};

function targetOf(options: CipherOptions | AeadOptions): Target {
  if ('cipher' in options) return { cipher: options.cipher, aead: undefined, tagLength: 0 };
  return { cipher: undefined, aead: options.aead, tagLength: options.tagLength ?? defaultTagLength };
}

/**
 * Checks an operation of a cipher or an AEAD.
 * @returns the length of its result
 * @throws {CryptoError} CRYPTO_INVALID_DATA_LENGTH, CRYPTO_INVALID_IV_LENGTH
 */
function checkCrypt(
  { cipher, aead, tagLength }: Target,
  direction: Direction,
  data: Uint8Array,
  iv: Uint8Array,
  associatedData: Uint8Array,
): number {
  if (cipher !== undefined) checkCipherOperation(cipher, data, iv);
  else checkAeadOperation(aead!, tagLength, direction, data, iv, associatedData);
  return direction === 'encrypt' ? data.length + tagLength : data.length - tagLength;
}

/** @throws {CryptoError} CRYPTO_WRONG_OPERATION, CRYPTO_INVALID_DATA_LENGTH, CRYPTO_INVALID_IV_LENGTH */
function checkedOperation(options: SessionOptions, asked: Operation): PortOperation {
  checkOneShot(options, asked);
  const { operation, data } = asked;
  if (isDigest(options)) {
    checkBytes('data', data);
    const hash = 'mac' in options ? hashOfMac(options.mac) : options.hash;
    return { operation, data, iv: none, associatedData: none, length: hashes[hash].digestLength };
  }
  const { iv, associatedData } = inputsOf(asked as CipherOperation | AeadOperation);
  const length = checkCrypt(targetOf(options), operation as Direction, data, iv, associatedData);
  return { operation, data, iv, associatedData, length };
}

function inputsOf(operation: CipherOperation | AeadOperation): {
  iv: Uint8Array;
  associatedData: Uint8Array;
} {
  if (!isAeadOperation(operation)) return { iv: operation.iv ?? none, associatedData: none };
  return { iv: operation.nonce, associatedData: operation.associatedData ?? none };
}

function isDigest(options: SessionOptions): options is DigestOptions {
  return !('cipher' in options || 'aead' in options);
}

/** Without async functions: at a million operations a second each promise counts. */
class CryptSession extends DeviceSession implements CipherSession, AeadSession {
  readonly #port: PortCipher;
  readonly #target: Target;

  constructor(port: PortCipher, target: Target) {
    super();
    this.#port = port;
    this.#target = target;
  }

  encrypt(data: Uint8Array, iv?: Uint8Array, associatedData?: Uint8Array): Promise<Bytes> {
    return this.#crypt('encrypt', data, iv, associatedData);
  }

  decrypt(data: Uint8Array, iv?: Uint8Array, associatedData?: Uint8Array): Promise<Bytes> {
    return this.#crypt('decrypt', data, iv, associatedData);
  }

  encryptInto(
    data: Uint8Array,
    output: Uint8Array,
    iv?: Uint8Array,
    associatedData?: Uint8Array,
  ): Promise<number> {
    return this.#cryptInto('encrypt', data, output, iv, associatedData);
  }

  decryptInto(
    data: Uint8Array,
    output: Uint8Array,
    iv?: Uint8Array,
    associatedData?: Uint8Array,
  ): Promise<number> {
    return this.#cryptInto('decrypt', data, output, iv, associatedData);
  }

  protected override destroy(): Promise<unknown> {
    return this.#port.destroy();
  }

  #crypt(direction: Direction, data: Uint8Array, iv = none, associatedData = none): Promise<Bytes> {
    try {
      this.assertOpen();
      const length = checkCrypt(this.#target, direction, data, iv, associatedData);
      return this.#port.crypt(direction, data, iv, associatedData, length, undefined) as Promise<Bytes>;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #cryptInto(
    direction: Direction,
    data: Uint8Array,
    output: Uint8Array,
    iv = none,
    associatedData = none,
  ): Promise<number> {
    try {
      this.assertOpen();
      const length = checkCrypt(this.#target, direction, data, iv, associatedData);
      checkOutput(output, length);
      return this.#port.crypt(direction, data, iv, associatedData, length, output) as Promise<number>;
    } catch (error) {
      return Promise.reject(error);
    }
  }
}

/** How a session makes another that its device counts. */
type Adopt = (create: () => Promise<HashSession>) => Promise<HashSession>;

/** A hash or a MAC. */
class HashSession extends DeviceSession implements DigestSession {
  readonly #port: PortDigest;
  readonly #adopt: Adopt;

  constructor(port: PortDigest, adopt: Adopt) {
    super();
    this.#port = port;
    this.#adopt = adopt;
  }

  async update(data: Uint8Array): Promise<void> {
    this.assertOpen();
    checkBytes('data', data);
    return this.#port.update(data);
  }

  async digest(data: Uint8Array = none): Promise<Bytes> {
    this.assertOpen();
    checkBytes('data', data);
    return this.#port.digest(data);
  }

  async copy(): Promise<DigestSession> {
    this.assertOpen();
    return this.#adopt(async () => new HashSession(await this.#port.copy(), this.#adopt));
  }

  protected override destroy(): Promise<unknown> {
    return this.#port.destroy();
  }
}
