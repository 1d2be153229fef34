/**
 * Sessions of a `/dev/crypto`. It takes source and destination in one piece each: data that lie so are worked on
 * where they lie, others by way of a buffer, which is wiped.
 */
import type { Segments } from '@skytale/virtio';
import type { AeadName } from '../algorithms.ts';
import type { Direction } from '../crypto-device.ts';
import { CryptoError } from '../crypto-error.ts';
import type { EngineAead, EngineCipher, EngineDigest } from '../engine.ts';
import { type CryptOptions, type CryptoFile, flag, operation } from './dev-crypto-ffi.ts';
import { assertIvLength, kernelIv } from './kernel-iv.ts';
import { copyOfKey } from './keys.ts';
import { assertSameLength, gathered, viewsOf } from './stretches.ts';
import { explained, isSystemError } from './system-error.ts';

/** Most bytes of associated data that the interface takes. */
const maxAssociatedData = 4096;
/** Most bytes of one part of a digest: devices have limits, digests have none. */
const maxPart = 1 << 20;

/** A session; its file's numbers are used again, so it must not be used once closed. */
class Session {
  readonly #file: CryptoFile;
  #number: number | undefined;

  constructor(file: CryptoFile, number: number) {
    this.#file = file;
    this.#number = number;
  }

  /** @throws {CryptoError} CRYPTO_CLOSED */
  get number(): number {
    if (this.#number === undefined) throw new CryptoError('CRYPTO_CLOSED', 'the session is closed');
    return this.#number;
  }

  crypt(options: CryptOptions): void {
    explained(() => this.#file.crypt(this.number, options));
  }

  close(): void {
    const number = this.#number;
    if (number === undefined) return;
    this.#number = undefined;
    explained(() => this.#file.endSession(number));
  }
}

export class CryptoFileCipher implements EngineCipher {
  readonly #session: Session;
  readonly #ivLength: number;

  constructor(file: CryptoFile, session: number, ivLength: number) {
    this.#session = new Session(file, session);
    this.#ivLength = ivLength;
  }

  crypt(direction: Direction, iv: Uint8Array, source: Segments, destination: Segments): void {
    assertSameLength(source, destination);
    // SAFETY: the kernel reads as many bytes as the cipher's IV has.
    assertIvLength(iv, this.#ivLength);
    const op = operation[direction];
    const [from, to] = [viewsOf(source), viewsOf(destination)];
    if (from.length === 1 && to.length === 1) {
      this.#session.crypt({ op, iv, source: from[0]!, destination: to[0]! });
      return;
    }
    const buffer = source.toBytes();
    try {
      this.#session.crypt({ op, iv, source: buffer, destination: buffer });
      destination.copyFrom(0, buffer.length, buffer);
    } finally {
      buffer.fill(0);
    }
  }

  close(): void {
    this.#session.close();
  }
}

export class CryptoFileAead implements EngineAead {
  readonly #file: CryptoFile;
  readonly #session: Session;
  readonly #aead: AeadName;
  readonly #tagLength: number;

  constructor(file: CryptoFile, session: number, aead: AeadName, tagLength: number) {
    this.#file = file;
    this.#session = new Session(file, session);
    this.#aead = aead;
    this.#tagLength = tagLength;
  }

  seal(
    nonce: Uint8Array,
    associatedData: Segments,
    source: Segments,
    destination: Segments,
    tag: Uint8Array,
  ): void {
    assertSameLength(source, destination);
    this.#assertTag(tag);
    const { byteLength } = source;
    const buffer = new Uint8Array(new ArrayBuffer(byteLength + this.#tagLength));
    source.copyTo(0, byteLength, buffer);
    try {
      explained(() => this.#run(operation.encrypt, buffer, associatedData, nonce));
      destination.copyFrom(0, byteLength, buffer);
      tag.set(buffer.subarray(byteLength));
    } finally {
      buffer.fill(0);
    }
  }

  open(
    nonce: Uint8Array,
    associatedData: Segments,
    source: Segments,
    destination: Segments,
    tag: Uint8Array,
  ): boolean {
    assertSameLength(source, destination);
    this.#assertTag(tag);
    const { byteLength } = source;
    const buffer = new Uint8Array(new ArrayBuffer(byteLength + this.#tagLength));
    source.copyTo(0, byteLength, buffer);
    buffer.set(tag, byteLength);
    try {
      return explained(() => {
        const matches = this.#matches(buffer, associatedData, nonce);
        if (matches) destination.copyFrom(0, byteLength, buffer);
        else destination.fill(0);
        return matches;
      });
    } finally {
      buffer.fill(0);
    }
  }

  close(): void {
    this.#session.close();
  }

  #matches(buffer: Uint8Array, associatedData: Segments, nonce: Uint8Array): boolean {
    try {
      this.#run(operation.decrypt, buffer, associatedData, nonce);
      return true;
    } catch (error) {
      if (isSystemError(error, 'EBADMSG')) return false;
      throw error;
    }
  }

  #run(op: number, buffer: Uint8Array, associatedData: Segments, nonce: Uint8Array): void {
    const additional = gathered(associatedData);
    if (additional.length > maxAssociatedData) {
      throw new CryptoError(
        'CRYPTO_INVALID_DATA_LENGTH',
        `${additional.length} bytes of associated data; /dev/crypto takes ${maxAssociatedData}`,
      );
    }
    const iv = kernelIv(this.#aead, nonce);
    this.#file.authCrypt(this.#session.number, op, buffer, this.#tagLength, additional, iv);
  }

  #assertTag(tag: Uint8Array): void {
    if (tag.length === this.#tagLength) return;
    throw new CryptoError(
      'CRYPTO_INVALID_TAG_LENGTH',
      `a tag of ${tag.length} bytes; this session's have ${this.#tagLength}`,
    );
  }
}

export class CryptoFileDigest implements EngineDigest {
  readonly #file: CryptoFile;
  readonly #session: Session;
  readonly #number: number;
  readonly #digestLength: number;
  /** Empty for a hash; kept because a copy is a session of its own. */
  readonly #key: Uint8Array<ArrayBuffer>;
  /** Nothing was taken in since the start. */
  #isFresh = true;

  private constructor(file: CryptoFile, number: number, digestLength: number, key: Uint8Array<ArrayBuffer>) {
    this.#file = file;
    this.#number = number;
    this.#digestLength = digestLength;
    this.#key = key;
    this.#session = new Session(file, file.createSession({ mac: number, macKey: key }));
  }

  /** @param key is copied */
  static create(file: CryptoFile, number: number, digestLength: number, key?: Uint8Array): CryptoFileDigest {
    const copy = copyOfKey(key ?? new Uint8Array(0));
    try {
      return explained(() => new CryptoFileDigest(file, number, digestLength, copy));
    } catch (error) {
      copy.fill(0);
      throw error;
    }
  }

  update(data: Segments): void {
    for (const view of viewsOf(data)) {
      for (let at = 0; at < view.length; at += maxPart) {
        const source = view.subarray(at, at + maxPart);
        this.#session.crypt({ flags: flag.update | this.#resetIfFresh, source });
        this.#isFresh = false;
      }
    }
  }

  digest(output: Uint8Array): void {
    // SAFETY: the kernel writes as many bytes as the digest has.
    if (output.length < this.#digestLength) {
      throw new CryptoError(
        'CRYPTO_INVALID_DATA_LENGTH',
        `room for ${output.length} bytes; the digest has ${this.#digestLength}`,
      );
    }
    this.#session.crypt({ flags: flag.final | this.#resetIfFresh, mac: output });
    this.reset();
  }

  reset(): void {
    this.#isFresh = true;
  }

  copy(): CryptoFileDigest {
    const from = this.#session.number;
    const copy = CryptoFileDigest.create(this.#file, this.#number, this.#digestLength, this.#key);
    if (this.#isFresh) return copy;
    try {
      explained(() => this.#file.copyDigest(from, copy.#session.number));
    } catch (error) {
      copy.close();
      throw error;
    }
    copy.#isFresh = false;
    return copy;
  }

  close(): void {
    this.#key.fill(0);
    this.#session.close();
  }

  get #resetIfFresh(): number {
    return this.#isFresh ? flag.reset : 0;
  }
}
