/** A `CryptoDevice` that is an engine of this process: checks, order and lifetimes, and no cryptography. */
import { Segments } from '@skytale/virtio';
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
import { andThen, type Completion } from './completion.ts';
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
import { checkOutput, overlapsShifted, PlainMemory } from './device-memory.ts';
import type { Engine, EngineAead, EngineCipher, EngineDigest, EngineName } from './engine.ts';
import { type CreateEngineOptions, createEngine } from './engines/create-engine.ts';
import { SerialQueue } from './serial-queue.ts';

export type EngineDeviceOptions = {
  /** Most sessions open at a time; no limit unless told. One-shot operations do not count. */
  readonly maxSessions?: number;
  /** Most bytes of memory allocated at a time; 64 MiB unless told. */
  readonly maxMemory?: number;
};

const maxMemoryDefault = 64 * 1024 * 1024;
const none = new Uint8Array(0);

type Session = CipherSession | AeadSession | DigestSession;

/**
 * A device on an engine of its own, which is closed with it.
 * @throws {CryptoError} CRYPTO_UNAVAILABLE if the engine does not work here
 */
export async function openEngineDevice(
  name: EngineName,
  options: EngineDeviceOptions & CreateEngineOptions = {},
): Promise<EngineDevice> {
  const engine = await createEngine(name, options);
  return new EngineDevice(engine, options, () => engine.close?.());
}

/**
 * Operations on one session run in the order of the calls; the data of a call must not change until it has
 * answered. What the engine answers at once is done when the call returns.
 */
export class EngineDevice implements CryptoDevice {
  readonly #engine: Engine;
  readonly #maxSessions: number;
  readonly #onClosed: () => void;
  readonly #memory: PlainMemory;
  readonly #open = new Set<EngineSession<EngineObject>>();
  /** Sessions being created or copied, and one-shot operations: what `close` waits for besides sessions. */
  readonly #underWay = new Set<Promise<unknown>>();
  #creating = 0;
  #closed = false;

  constructor(
    engine: Engine,
    { maxSessions = Infinity, maxMemory = maxMemoryDefault }: EngineDeviceOptions = {},
    onClosed = () => {},
  ) {
    this.#engine = engine;
    this.#maxSessions = maxSessions;
    this.#onClosed = onClosed;
    this.#memory = new PlainMemory(maxMemory);
  }

  get name(): string {
    return this.#engine.title ?? this.#engine.name;
  }

  supports(algorithm: AlgorithmName): boolean {
    return this.#engine.supports(algorithm);
  }

  createSession(options: CipherOptions): Promise<CipherSession>;
  createSession(options: AeadOptions): Promise<AeadSession>;
  createSession(options: DigestOptions): Promise<DigestSession>;
  createSession(options: SessionOptions): Promise<Session> {
    return this.#track(async () => {
      this.#check(options);
      return this.#admit(() => this.#create(options));
    });
  }

  oneShot(options: CipherOptions, operation: CipherOperation): Promise<Bytes>;
  oneShot(options: AeadOptions, operation: AeadOperation): Promise<Bytes>;
  oneShot(options: DigestOptions, operation: DigestOperation): Promise<Bytes>;
  oneShot(options: SessionOptions, operation: Operation): Promise<Bytes> {
    return this.#track(async () => {
      this.#check(options);
      checkOneShot(options, operation);
      await using session = await this.#create(options);
      return await perform(session, operation);
    });
  }

  allocate(length: number): DeviceMemory {
    this.#assertOpen();
    return this.#memory.allocate(length);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#underWay);
    await Promise.all([...this.#open].map((session) => session.close()));
    this.#onClosed();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #check(options: SessionOptions): void {
    this.#assertOpen();
    checkSession(options);
    const algorithm = algorithmOf(options);
    if (this.supports(algorithm)) return;
    throw new CryptoError('CRYPTO_UNKNOWN_ALGORITHM', `the engine ${this.name} has no ${algorithm}`);
  }

  #assertOpen(): void {
    if (this.#closed) throw new CryptoError('CRYPTO_CLOSED', 'the device is closed');
  }

  /** Counts a session that `create` makes, if there is room for it, until it is closed. */
  async #admit<S extends EngineSession<EngineObject>>(create: () => Promise<S>): Promise<S> {
    if (this.#open.size + this.#creating >= this.#maxSessions) {
      throw new CryptoError(
        'CRYPTO_LIMIT',
        `${this.#maxSessions} sessions are open, which is the limit; close one`,
      );
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

  async #create(options: SessionOptions): Promise<EngineSession<EngineObject> & Session> {
    try {
      // The engine copies the key before it first awaits anything, so the caller may wipe its own at once.
      if ('cipher' in options) {
        return new EngineCipherSession(
          await this.#engine.createCipher(options.cipher, options.key),
          options.cipher,
        );
      }
      if ('aead' in options) {
        const { aead, key, tagLength = defaultTagLength } = options;
        return new EngineAeadSession(await this.#engine.createAead(aead, key, tagLength), aead, tagLength);
      }
      const copied = (create: () => Promise<EngineDigestSession>) =>
        this.#track(() => {
          this.#assertOpen();
          return this.#admit(create);
        });
      if ('mac' in options) {
        const mac = await this.#engine.createMac(options.mac, options.key);
        return new EngineDigestSession(mac, hashes[hashOfMac(options.mac)].digestLength, copied);
      }
      const hash = await this.#engine.createHash(options.hash);
      return new EngineDigestSession(hash, hashes[options.hash].digestLength, copied);
    } catch (error) {
      throw asCryptoError(error);
    }
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

type EngineObject = { close(): void };

abstract class EngineSession<E extends EngineObject> implements AsyncDisposable {
  /** What the device wants to be told when the session is gone. */
  closed: () => void = () => {};
  readonly #object: E;
  readonly #queue = new SerialQueue();
  #closing: Promise<void> | undefined;

  constructor(object: E) {
    this.#object = object;
  }

  close(): Promise<void> {
    this.#closing ??= this.#queue.run(() => {
      this.#object.close();
      this.closed();
    });
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @throws {CryptoError} CRYPTO_CLOSED */
  protected assertOpen(): void {
    if (this.#closing !== undefined) throw new CryptoError('CRYPTO_CLOSED', 'the session is closed');
  }

  protected async run<T>(operation: (object: E) => Completion<T>): Promise<T> {
    try {
      return await this.#queue.run(() => operation(this.#object));
    } catch (error) {
      throw asCryptoError(error);
    }
  }
}

class EngineCipherSession extends EngineSession<EngineCipher> implements CipherSession {
  readonly #cipher: CipherName;

  constructor(object: EngineCipher, cipher: CipherName) {
    super(object);
    this.#cipher = cipher;
  }

  encrypt(data: Uint8Array, iv?: Uint8Array): Promise<Bytes> {
    return this.#transform('encrypt', data, iv);
  }

  decrypt(data: Uint8Array, iv?: Uint8Array): Promise<Bytes> {
    return this.#transform('decrypt', data, iv);
  }

  encryptInto(data: Uint8Array, output: Uint8Array, iv?: Uint8Array): Promise<number> {
    return this.#transformInto('encrypt', data, output, iv);
  }

  decryptInto(data: Uint8Array, output: Uint8Array, iv?: Uint8Array): Promise<number> {
    return this.#transformInto('decrypt', data, output, iv);
  }

  async #transform(direction: Direction, data: Uint8Array, iv?: Uint8Array): Promise<Bytes> {
    this.assertOpen();
    const checkedIv = checkCipherOperation(this.#cipher, data, iv);
    return this.run((cipher) => {
      const output = new Uint8Array(data.length);
      return andThen(crypt(cipher, direction, checkedIv, data, output), () => output);
    });
  }

  async #transformInto(
    direction: Direction,
    data: Uint8Array,
    output: Uint8Array,
    iv?: Uint8Array,
  ): Promise<number> {
    this.assertOpen();
    const checkedIv = checkCipherOperation(this.#cipher, data, iv);
    checkOutput(output, data.length);
    return this.run((cipher) =>
      andThen(crypt(cipher, direction, checkedIv, unshifted(data, output), output), () => data.length),
    );
  }
}

/** Writes as many bytes of `output` as `data` has. */
function crypt(
  cipher: EngineCipher,
  direction: Direction,
  iv: Uint8Array,
  data: Uint8Array,
  output: Uint8Array,
): Completion<void> {
  return cipher.crypt(direction, iv, Segments.of(data), startOf(output, data.length));
}

class EngineAeadSession extends EngineSession<EngineAead> implements AeadSession {
  readonly #aead: AeadName;
  readonly #tagLength: number;

  constructor(object: EngineAead, aead: AeadName, tagLength: number) {
    super(object);
    this.#aead = aead;
    this.#tagLength = tagLength;
  }

  async encrypt(data: Uint8Array, nonce: Uint8Array, associatedData = none): Promise<Bytes> {
    this.#check('encrypt', data, nonce, associatedData);
    return this.run((aead) => {
      const output = new Uint8Array(data.length + this.#tagLength);
      return andThen(this.#seal(aead, data, output, nonce, associatedData), () => output);
    });
  }

  async decrypt(data: Uint8Array, nonce: Uint8Array, associatedData = none): Promise<Bytes> {
    this.#check('decrypt', data, nonce, associatedData);
    return this.run((aead) => {
      const output = new Uint8Array(data.length - this.#tagLength);
      return andThen(this.#open(aead, data, output, nonce, associatedData), () => output);
    });
  }

  async encryptInto(
    data: Uint8Array,
    output: Uint8Array,
    nonce: Uint8Array,
    associatedData = none,
  ): Promise<number> {
    this.#check('encrypt', data, nonce, associatedData);
    const length = data.length + this.#tagLength;
    checkOutput(output, length);
    return this.run((aead) =>
      andThen(this.#seal(aead, unshifted(data, output), output, nonce, associatedData), () => length),
    );
  }

  async decryptInto(
    data: Uint8Array,
    output: Uint8Array,
    nonce: Uint8Array,
    associatedData = none,
  ): Promise<number> {
    this.#check('decrypt', data, nonce, associatedData);
    const length = data.length - this.#tagLength;
    checkOutput(output, length);
    return this.run((aead) =>
      andThen(this.#open(aead, unshifted(data, output), output, nonce, associatedData), () => length),
    );
  }

  #check(direction: Direction, data: Uint8Array, nonce: Uint8Array, associatedData: Uint8Array): void {
    this.assertOpen();
    checkAeadOperation(this.#aead, this.#tagLength, direction, data, nonce, associatedData);
  }

  /** Writes ciphertext and tag to the start of `output`. */
  #seal(
    aead: EngineAead,
    data: Uint8Array,
    output: Uint8Array,
    nonce: Uint8Array,
    associatedData: Uint8Array,
  ): Completion<void> {
    const { length } = data;
    const tag = output.subarray(length, length + this.#tagLength);
    return aead.seal(nonce, Segments.of(associatedData), Segments.of(data), startOf(output, length), tag);
  }

  #open(
    aead: EngineAead,
    data: Uint8Array,
    output: Uint8Array,
    nonce: Uint8Array,
    associatedData: Uint8Array,
  ): Completion<void> {
    const length = data.length - this.#tagLength;
    const sealed = startOf(data, length);
    const opened = startOf(output, length);
    const tag = data.subarray(length);
    return andThen(aead.open(nonce, Segments.of(associatedData), sealed, opened, tag), assertAuthentic);
  }
}

function startOf(bytes: Uint8Array, length: number): Segments {
  const segments = new Segments();
  segments.push(bytes, 0, length);
  return segments;
}

/** A copy of the data if writing the output would destroy it. */
function unshifted(data: Uint8Array, output: Uint8Array): Uint8Array {
  return overlapsShifted(data, output) ? data.slice() : data;
}

class EngineDigestSession extends EngineSession<EngineDigest> implements DigestSession {
  readonly #digestLength: number;
  readonly #admit: (create: () => Promise<EngineDigestSession>) => Promise<EngineDigestSession>;

  constructor(
    object: EngineDigest,
    digestLength: number,
    admit: (create: () => Promise<EngineDigestSession>) => Promise<EngineDigestSession>,
  ) {
    super(object);
    this.#digestLength = digestLength;
    this.#admit = admit;
  }

  async update(data: Uint8Array): Promise<void> {
    this.assertOpen();
    checkBytes('data', data);
    return this.run((digest) => digest.update(Segments.of(data)));
  }

  async digest(data?: Uint8Array): Promise<Bytes> {
    this.assertOpen();
    if (data !== undefined) checkBytes('data', data);
    return this.run((digest) => {
      const output = new Uint8Array(this.#digestLength);
      const updated = data === undefined ? undefined : digest.update(Segments.of(data));
      const done =
        updated instanceof Promise ? updated.then(() => digest.digest(output)) : digest.digest(output);
      return done instanceof Promise ? done.then(() => output) : output;
    });
  }

  async copy(): Promise<DigestSession> {
    this.assertOpen();
    return this.#admit(async () => {
      const object = await this.run((digest) => digest.copy());
      return new EngineDigestSession(object, this.#digestLength, this.#admit);
    });
  }
}

/** @throws {CryptoError} CRYPTO_AUTHENTICATION_FAILED */
function assertAuthentic(matches: boolean): void {
  if (matches) return;
  throw new CryptoError(
    'CRYPTO_AUTHENTICATION_FAILED',
    'the tag does not match: data, associated data, nonce or key are not those that were sealed',
  );
}

/** The operation of a one-shot call that `checkOneShot` has let pass. */
function perform(session: Session, operation: Operation): Promise<Bytes> {
  if (operation.operation === 'digest') return (session as DigestSession).digest(operation.data);
  if (isAeadOperation(operation)) {
    const { data, nonce, associatedData } = operation;
    return (session as AeadSession)[operation.operation](data, nonce, associatedData);
  }
  return (session as CipherSession)[operation.operation](operation.data, operation.iv);
}

function asCryptoError(error: unknown): CryptoError {
  if (error instanceof CryptoError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new CryptoError('CRYPTO_DEVICE_FAILED', `the engine failed: ${message}`, { cause: error });
}
