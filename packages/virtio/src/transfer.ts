/**
 * One request on its way through a RequestQueue: either in buffers of the caller's in shared memory, or
 * copied into and out of shared memory on the caller's behalf.
 */
import type { DriverQueue, GuestRange } from './driver-queue.ts';
import type { MemoryAllocator } from './memory-allocator.ts';
import type { VirtioError } from './virtio-error.ts';

export interface Transfer {
  /**
   * Puts the request into the queue.
   * @returns false if there is no room now
   * @throws {RangeError|VirtioError} if there never will be
   */
  place(queue: DriverQueue<Transfer>): boolean;
  /** The request has to wait: the caller may change its arrays from now on. */
  keep(): void;
  /** The device has used it. */
  done(written: number): void;
  /** It was given up. The device may still use its memory, until `release`. */
  fail(error: VirtioError): void;
  /** Gives its shared memory back. */
  release(): void;
}

/** Zero-copy: the ranges are the caller's. */
export class BufferTransfer implements Transfer {
  readonly done: (written: number) => void;
  readonly fail: (error: VirtioError) => void;
  readonly #readable: readonly GuestRange[];
  readonly #writable: readonly GuestRange[];

  constructor(
    readable: readonly GuestRange[],
    writable: readonly GuestRange[],
    done: (written: number) => void,
    fail: (error: VirtioError) => void,
  ) {
    this.#readable = readable;
    this.#writable = writable;
    this.done = done;
    this.fail = fail;
  }

  place(queue: DriverQueue<Transfer>): boolean {
    return queue.add(this.#readable, this.#writable, this);
  }

  keep(): void {}

  release(): void {}
}

/** Through a block of shared memory: the readable bytes, then room for the answer. */
export class CopyTransfer implements Transfer {
  readonly fail: (error: VirtioError) => void;
  readonly #memory: MemoryAllocator;
  #parts: readonly Uint8Array[];
  readonly #readableLength: number;
  readonly #writableLength: number;
  readonly #wipe: boolean;
  readonly #resolve: (answer: Uint8Array<ArrayBuffer>) => void;
  #address: number | undefined;
  /** The copy that `keep` made. */
  #kept: Uint8Array | undefined;

  constructor(
    memory: MemoryAllocator,
    parts: readonly Uint8Array[],
    writableLength: number,
    wipe: boolean,
    resolve: (answer: Uint8Array<ArrayBuffer>) => void,
    fail: (error: VirtioError) => void,
  ) {
    this.#memory = memory;
    this.#parts = parts;
    this.#readableLength = parts.reduce((sum, part) => sum + part.length, 0);
    this.#writableLength = writableLength;
    this.#wipe = wipe;
    this.#resolve = resolve;
    this.fail = fail;
  }

  place(queue: DriverQueue<Transfer>): boolean {
    if (!(Number.isSafeInteger(this.#writableLength) && this.#writableLength >= 0)) {
      throw new RangeError(`an answer cannot have ${this.#writableLength} bytes`);
    }
    if (queue.free === 0) return false;
    const address = this.#memory.reserve(this.#answerOffset + this.#writableLength);
    if (address === undefined) return false;
    this.#address = address;
    const readable = this.#readableLength > 0 ? [{ address, length: this.#readableLength }] : [];
    const answer = { address: address + this.#answerOffset, length: this.#writableLength };
    this.#copyIn(address);
    if (!queue.add(readable, answer.length > 0 ? [answer] : [], this)) {
      this.#releaseBlock();
      return false;
    }
    this.#forgetParts();
    return true;
  }

  keep(): void {
    const kept = new Uint8Array(this.#readableLength);
    copyParts(this.#parts, kept, 0);
    this.#kept = kept;
    this.#parts = [kept];
  }

  done(written: number): void {
    const start = this.#address! - this.#memory.region.base + this.#answerOffset;
    const answer = new Uint8Array(written);
    answer.set(this.#memory.region.bytes.subarray(start, start + written));
    this.release();
    this.#resolve(answer);
  }

  release(): void {
    this.#forgetParts();
    this.#releaseBlock();
  }

  /** The answer begins aligned: devices work in place. */
  get #answerOffset(): number {
    return Math.ceil(this.#readableLength / 16) * 16;
  }

  #releaseBlock(): void {
    const address = this.#address;
    if (address === undefined) return;
    this.#address = undefined;
    this.#memory.release(address, this.#wipe ? this.#answerOffset + this.#writableLength : 0);
  }

  #copyIn(address: number): void {
    const { base, bytes } = this.#memory.region;
    copyParts(this.#parts, bytes, address - base);
  }

  #forgetParts(): void {
    this.#kept?.fill(0);
    this.#kept = undefined;
    this.#parts = [];
  }
}

function copyParts(parts: readonly Uint8Array[], target: Uint8Array, offset: number): void {
  let at = offset;
  for (const part of parts) {
    target.set(part, at);
    at += part.length;
  }
}
