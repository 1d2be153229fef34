/**
 * One operation of the driver's on its way: its parts copied into a block of shared memory, its result copied from there to
 * where it goes. The object serves one operation after another.
 */
import type { DriverQueue, GuestRange, MemoryAllocator, Transfer } from '@skytale/virtio';
import type { Bytes } from '../crypto-device.ts';
import { asCryptoError } from '../driver-error.ts';
import { resultOf } from '../result-memory.ts';
import { throwUnlessOk, tooShort } from './status-error.ts';

const noParts: readonly Uint8Array[] = [];
/** The answer begins aligned: devices work in place. */
const alignment = 16;

// The chain of the one that is being placed: the queue keeps nothing of it.
type Range = { -readonly [Field in keyof GuestRange]: GuestRange[Field] };
const readable: Range = { address: 0, length: 0 };
const writable: Range = { address: 0, length: 0 };
const readableRanges = [readable];
const writableRanges = [writable];

export class OperationTransfer implements Transfer {
  readonly #memory: MemoryAllocator;
  readonly #recycle: (transfer: OperationTransfer) => void;
  #parts = noParts;
  #readableLength = 0;
  /** Of the result, which the status follows. */
  #length = 0;
  #output: Uint8Array | undefined;
  #wipe = false;
  #address: number | undefined;
  /** The copy that `keep` made. */
  #kept: Uint8Array | undefined;
  #resolve: (result: Bytes | number) => void = () => {};
  #reject: (error: unknown) => void = () => {};

  /** @param recycle told when the object is free again */
  constructor(memory: MemoryAllocator, recycle: (transfer: OperationTransfer) => void) {
    this.#memory = memory;
    this.#recycle = recycle;
  }

  /**
   * Says what is to be sent.
   * @param output for the result, long enough; undefined for an array of its own
   * @param wipe there is a key among the parts
   * @returns the promise for the result; its length if there is an `output`
   */
  begin(
    parts: readonly Uint8Array[],
    length: number,
    output: Uint8Array | undefined,
    wipe: boolean,
  ): Promise<Bytes | number> {
    this.#parts = parts;
    this.#readableLength = 0;
    for (const part of parts) this.#readableLength += part.length;
    this.#length = length;
    this.#output = output;
    this.#wipe = wipe;
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  place(queue: DriverQueue<Transfer>): boolean {
    if (queue.free === 0) return false;
    const address = this.#memory.reserve(this.#blockLength);
    if (address === undefined) return false;
    this.#address = address;
    this.#copyIn(this.#memory.region.bytes, address - this.#memory.region.base);
    readable.address = address;
    readable.length = this.#readableLength;
    writable.address = address + this.#answerOffset;
    writable.length = this.#length + 1;
    if (!queue.add(readableRanges, writableRanges, this)) {
      this.#releaseBlock();
      return false;
    }
    this.#forgetParts();
    return true;
  }

  keep(): void {
    const kept = new Uint8Array(new ArrayBuffer(this.#readableLength));
    this.#copyIn(kept, 0);
    this.#kept = kept;
    this.#parts = [kept];
  }

  done(written: number): void {
    try {
      this.#resolve(this.#take(written));
    } catch (error) {
      this.#reject(error);
    }
    this.release();
  }

  fail(error: unknown): void {
    this.#reject(asCryptoError(error));
  }

  release(): void {
    this.#forgetParts();
    this.#releaseBlock();
    this.#output = undefined;
    this.#recycle(this);
  }

  get #answerOffset(): number {
    return Math.ceil(this.#readableLength / alignment) * alignment;
  }

  get #blockLength(): number {
    return this.#answerOffset + this.#length + 1;
  }

  /** @throws {CryptoError} what the status says; CRYPTO_DEVICE_FAILED for an answer that must not be */
  #take(written: number): Bytes | number {
    const length = this.#length;
    if (written !== length + 1) throw tooShort(written, length + 1);
    const { base, bytes } = this.#memory.region;
    const start = this.#address! - base + this.#answerOffset;
    throwUnlessOk(bytes[start + length]!);
    const result = this.#output ?? resultOf(length);
    if (length > 0) result.set(bytes.subarray(start, start + length));
    return this.#output === undefined ? (result as Bytes) : length;
  }

  #copyIn(target: Uint8Array, offset: number): void {
    let at = offset;
    for (const part of this.#parts) {
      // For a few bytes a loop is faster than `set`.
      if (part.length <= alignment) for (let i = 0; i < part.length; i++) target[at + i] = part[i]!;
      else target.set(part, at);
      at += part.length;
    }
  }

  #releaseBlock(): void {
    const address = this.#address;
    if (address === undefined) return;
    this.#address = undefined;
    this.#memory.release(address, this.#wipe ? this.#blockLength : 0);
  }

  #forgetParts(): void {
    this.#kept?.fill(0);
    this.#kept = undefined;
    this.#parts = noParts;
  }
}
