/** An engine of this process behind a `SessionDevice`: the order of operations, and no cryptography. */
import { Segments } from '@skytale/virtio';
import type { AlgorithmName } from './algorithms.ts';
import { hashes, hashOfMac } from './algorithms.ts';
import { andThen, type Completion } from './completion.ts';
import type { Bytes, DigestOptions, Direction } from './crypto-device.ts';
import { CryptoError } from './crypto-error.ts';
import { overlapsShifted, PlainMemory } from './device-memory.ts';
import type { Engine, EngineAead, EngineCipher, EngineDigest } from './engine.ts';
import { SerialQueue } from './serial-queue.ts';
import type { PortCipher, PortCipherOptions, PortDigest, SessionPort } from './session-port.ts';

export class EnginePort implements SessionPort {
  readonly maxMacKeyLength = Infinity;
  readonly memory: PlainMemory;
  readonly #engine: Engine;
  readonly #onClosed: () => void;

  /** @param maxMemory bytes allocated at a time */
  constructor(engine: Engine, maxMemory: number, onClosed: () => void) {
    this.#engine = engine;
    this.memory = new PlainMemory(maxMemory);
    this.#onClosed = onClosed;
  }

  get name(): string {
    return this.#engine.title ?? this.#engine.name;
  }

  supports(algorithm: AlgorithmName): boolean {
    return this.#engine.supports(algorithm);
  }

  async createCipher(options: PortCipherOptions): Promise<PortCipher> {
    try {
      if ('cipher' in options) {
        return new CipherInOrder(await this.#engine.createCipher(options.cipher, options.key));
      }
      const { aead, key, tagLength } = options;
      return new AeadInOrder(await this.#engine.createAead(aead, key, tagLength));
    } catch (error) {
      throw asCryptoError(error);
    }
  }

  async createDigest(options: DigestOptions): Promise<PortDigest> {
    try {
      if ('mac' in options) {
        const mac = await this.#engine.createMac(options.mac, options.key);
        return new DigestInOrder(mac, hashes[hashOfMac(options.mac)].digestLength);
      }
      const hash = await this.#engine.createHash(options.hash);
      return new DigestInOrder(hash, hashes[options.hash].digestLength);
    } catch (error) {
      throw asCryptoError(error);
    }
  }

  async close(): Promise<void> {
    this.#onClosed();
  }
}

/** An object of the engine whose operations run one after another, in the order of the calls. */
abstract class InOrder<E extends { close(): void }> {
  protected readonly object: E;
  readonly #queue = new SerialQueue(asCryptoError);

  constructor(object: E) {
    this.object = object;
  }

  destroy(): Promise<void> {
    return this.run(() => this.object.close());
  }

  protected run<T>(operation: () => Completion<T>): Promise<T> {
    return this.#queue.run(operation);
  }
}

class CipherInOrder extends InOrder<EngineCipher> implements PortCipher {
  crypt(
    direction: Direction,
    data: Uint8Array,
    iv: Uint8Array,
    _associatedData: Uint8Array,
    length: number,
    output: Uint8Array | undefined,
  ): Promise<Bytes | number> {
    return this.run(() => {
      const result = output ?? new Uint8Array(length);
      const source = Segments.of(unshifted(data, result));
      const done = this.object.crypt(direction, iv, source, startOf(result, length));
      return andThen<void, Bytes | number>(done, () => answerOf(result, length, output));
    });
  }
}

class AeadInOrder extends InOrder<EngineAead> implements PortCipher {
  crypt(
    direction: Direction,
    data: Uint8Array,
    nonce: Uint8Array,
    associatedData: Uint8Array,
    length: number,
    output: Uint8Array | undefined,
  ): Promise<Bytes | number> {
    return this.run(() => {
      const result = output ?? new Uint8Array(length);
      const source = unshifted(data, result);
      const done =
        direction === 'encrypt'
          ? this.#seal(source, nonce, associatedData, length, result)
          : this.#open(source, nonce, associatedData, length, result);
      return andThen<void, Bytes | number>(done, () => answerOf(result, length, output));
    });
  }

  /** Writes ciphertext and tag, `sealedLength` bytes together, to the start of `result`. */
  #seal(
    data: Uint8Array,
    nonce: Uint8Array,
    associatedData: Uint8Array,
    sealedLength: number,
    result: Uint8Array,
  ): Completion<void> {
    const { length } = data;
    const tag = result.subarray(length, sealedLength);
    return this.object.seal(
      nonce,
      Segments.of(associatedData),
      Segments.of(data),
      startOf(result, length),
      tag,
    );
  }

  #open(
    data: Uint8Array,
    nonce: Uint8Array,
    associatedData: Uint8Array,
    length: number,
    result: Uint8Array,
  ): Completion<void> {
    const sealed = startOf(data, length);
    const opened = startOf(result, length);
    const tag = data.subarray(length);
    return andThen(
      this.object.open(nonce, Segments.of(associatedData), sealed, opened, tag),
      assertAuthentic,
    );
  }
}

class DigestInOrder extends InOrder<EngineDigest> implements PortDigest {
  readonly #digestLength: number;

  constructor(object: EngineDigest, digestLength: number) {
    super(object);
    this.#digestLength = digestLength;
  }

  update(data: Uint8Array): Promise<void> {
    return this.run(() => this.object.update(Segments.of(data)));
  }

  digest(data: Uint8Array): Promise<Bytes> {
    return this.run(() => {
      const output = new Uint8Array(this.#digestLength);
      const updated = data.length === 0 ? undefined : this.object.update(Segments.of(data));
      return andThen(
        andThen(updated, () => this.object.digest(output)),
        () => output,
      );
    });
  }

  async copy(): Promise<PortDigest> {
    return new DigestInOrder(await this.run(() => this.object.copy()), this.#digestLength);
  }
}

function answerOf(result: Uint8Array, length: number, output: Uint8Array | undefined): Bytes | number {
  return output === undefined ? (result as Bytes) : length;
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

/** @throws {CryptoError} CRYPTO_AUTHENTICATION_FAILED */
function assertAuthentic(matches: boolean): void {
  if (matches) return;
  throw new CryptoError(
    'CRYPTO_AUTHENTICATION_FAILED',
    'the tag does not match: data, associated data, nonce or key are not those that were sealed',
  );
}

function asCryptoError(error: unknown): CryptoError {
  if (error instanceof CryptoError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new CryptoError('CRYPTO_DEVICE_FAILED', `the engine failed: ${message}`, { cause: error });
}
