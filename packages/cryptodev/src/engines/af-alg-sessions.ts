/**
 * Ciphers, AEADs and digests on AF_ALG. The kernel copies what it is given, and writes the result where it is to go.
 */
import { Segments } from '@skytale/virtio';
import type { AeadName, CipherName, CipherProperties } from '../algorithms.ts';
import { ciphers } from '../algorithms.ts';
import type { Direction } from '../crypto-device.ts';
import { CryptoError } from '../crypto-error.ts';
import type { EngineAead, EngineCipher, EngineDigest } from '../engine.ts';
import { type AlgOperation, type AlgTransform, maxRanges } from './af-alg-ffi.ts';
import { assertIvLength, kernelIv } from './kernel-iv.ts';
import { assertSameLength, viewsOf } from './stretches.ts';
import { explained, isSystemError } from './system-error.ts';

/**
 * Most bytes that are handed over at once: the socket's buffer, which holds them until they are worked on, has
 * 208 KiB. A cipher goes on in the next part where it was; XTS and AEADs must have a message in one part.
 */
const maxPart = 128 * 1024;
/** Most ranges of one result: the kernel has memory for about thirty. */
const maxResultRanges = 16;

/** A key, and the operation that works with it: a new one after a failure, which may have left data behind. */
class Keyed {
  readonly #transform: AlgTransform;
  #operation: AlgOperation | undefined;

  constructor(transform: AlgTransform) {
    this.#transform = transform;
  }

  run(work: (operation: AlgOperation) => void): void {
    this.#operation ??= this.#transform.operation();
    try {
      work(this.#operation);
    } catch (error) {
      this.#end();
      throw error;
    }
  }

  close(): void {
    this.#end();
    this.#transform[Symbol.dispose]();
  }

  #end(): void {
    this.#operation?.[Symbol.dispose]();
    this.#operation = undefined;
  }
}

export class AlgCipher implements EngineCipher {
  readonly #cipher: CipherName;
  readonly #keyed: Keyed;

  constructor(cipher: CipherName, transform: AlgTransform) {
    this.#cipher = cipher;
    this.#keyed = new Keyed(transform);
  }

  crypt(direction: Direction, iv: Uint8Array, source: Segments, destination: Segments): void {
    assertSameLength(source, destination);
    const { ivLength }: CipherProperties = ciphers[this.#cipher];
    assertIvLength(iv, ivLength);
    const { byteLength } = source;
    if (this.#cipher === 'aes-xts') assertOnePart(byteLength, this.#cipher);
    const control = ivLength === 0 ? { direction } : { direction, iv };
    explained(() =>
      this.#keyed.run((operation) => {
        for (let at = 0; at < byteLength; at += maxPart) {
          const length = Math.min(maxPart, byteLength - at);
          const isLast = at + length === byteLength;
          operation.send(rangesOf(source.slice(at, length)), !isLast, at === 0 ? control : undefined);
          receive(operation, destination.slice(at, length));
        }
      }),
    );
  }

  close(): void {
    this.#keyed.close();
  }
}

/** Associated data, data and tag are one message, of which the kernel gives back as much, the tag changed. */
export class AlgAead implements EngineAead {
  readonly #aead: AeadName;
  readonly #keyed: Keyed;
  readonly #tagLength: number;

  constructor(aead: AeadName, transform: AlgTransform, tagLength: number) {
    this.#aead = aead;
    this.#keyed = new Keyed(transform);
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
    const sent = joined(associatedData, source);
    const room = joined(roomFor(associatedData), destination, Segments.of(tag));
    assertOnePart(room.byteLength, this.#aead);
    explained(() => this.#run('encrypt', nonce, associatedData.byteLength, sent, room));
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
    const sent = joined(associatedData, source, Segments.of(tag));
    const room = joined(roomFor(associatedData), destination);
    assertOnePart(sent.byteLength, this.#aead);
    try {
      this.#run('decrypt', nonce, associatedData.byteLength, sent, room);
      return true;
    } catch (error) {
      destination.fill(0);
      if (isSystemError(error, 'EBADMSG')) return false;
      return explained(() => {
        throw error;
      });
    }
  }

  close(): void {
    this.#keyed.close();
  }

  #run(
    direction: Direction,
    nonce: Uint8Array,
    associatedLength: number,
    sent: Segments,
    room: Segments,
  ): void {
    const iv = kernelIv(this.#aead, nonce);
    this.#keyed.run((operation) => {
      operation.send(rangesOf(sent), false, { direction, iv, associatedLength });
      receive(operation, room);
    });
  }

  #assertTag(tag: Uint8Array): void {
    if (tag.length === this.#tagLength) return;
    throw new CryptoError(
      'CRYPTO_INVALID_TAG_LENGTH',
      `a tag of ${tag.length} bytes; this session's have ${this.#tagLength}`,
    );
  }
}

export class AlgDigest implements EngineDigest {
  readonly #operation: AlgOperation;
  readonly #digestLength: number;
  /** Nothing was taken in since the start. */
  #isFresh: boolean;

  constructor(operation: AlgOperation, digestLength: number, isFresh = true) {
    this.#operation = operation;
    this.#digestLength = digestLength;
    this.#isFresh = isFresh;
  }

  update(data: Segments): void {
    explained(() => {
      for (const view of viewsOf(data)) {
        for (let at = 0; at < view.length; at += maxPart) {
          this.#operation.send([view.subarray(at, at + maxPart)], true);
          this.#isFresh = false;
        }
      }
    });
  }

  digest(output: Uint8Array): void {
    if (output.length < this.#digestLength) {
      throw new CryptoError(
        'CRYPTO_INVALID_DATA_LENGTH',
        `room for ${output.length} bytes; the digest has ${this.#digestLength}`,
      );
    }
    explained(() => this.#operation.receive([output.subarray(0, this.#digestLength)]));
    this.#isFresh = true;
  }

  /** The only way back is to the end. */
  reset(): void {
    if (!this.#isFresh) this.digest(new Uint8Array(new ArrayBuffer(this.#digestLength)));
  }

  copy(): AlgDigest {
    return new AlgDigest(
      explained(() => this.#operation.copy()),
      this.#digestLength,
      this.#isFresh,
    );
  }

  close(): void {
    this.#operation[Symbol.dispose]();
  }
}

/** @throws {CryptoError} CRYPTO_INVALID_DATA_LENGTH */
function assertOnePart(length: number, algorithm: string): void {
  if (length <= maxPart) return;
  throw new CryptoError(
    'CRYPTO_INVALID_DATA_LENGTH',
    `${length} bytes in one message of ${algorithm}; AF_ALG takes ${maxPart}`,
  );
}

function joined(...lists: Segments[]): Segments {
  const all = new Segments();
  for (const { count, memory, offset, length } of lists) {
    for (let i = 0; i < count; i++) all.push(memory[i]!, offset[i]!, length[i]!);
  }
  return all;
}

/** As much memory, whose content nobody wants. */
function roomFor({ byteLength }: Segments): Segments {
  return Segments.of(new Uint8Array(new ArrayBuffer(byteLength)));
}

function rangesOf(segments: Segments): Uint8Array[] {
  return segments.count <= maxRanges ? viewsOf(segments) : [segments.toBytes()];
}

/** Where a message has no result, the operation must be asked for one all the same, or it is not carried out. */
const anything = new Uint8Array(new ArrayBuffer(1));

/** Carries out what was sent. */
function receive(operation: AlgOperation, room: Segments): void {
  const { count, byteLength } = room;
  if (byteLength === 0) {
    operation.receive([anything]);
    return;
  }
  const direct = count <= maxResultRanges;
  const buffer = direct ? anything : new Uint8Array(new ArrayBuffer(byteLength));
  try {
    const received = operation.receive(direct ? viewsOf(room) : [buffer]);
    if (received !== byteLength) throw new Error(`recvmsg gave ${received} of ${byteLength} bytes`);
    if (!direct) room.copyFrom(0, byteLength, buffer);
  } finally {
    buffer.fill(0);
  }
}
