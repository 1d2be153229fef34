/**
 * Hands out pieces of the memory that a driver shares with its device: a binary buddy allocator. Blocks are
 * powers of two from 64 bytes up, aligned to their size relative to the start of the memory; a block that
 * is freed joins its other half if that is free as well.
 */
import type { GuestRegion } from './guest-memory.ts';
import { VirtioError } from './virtio-error.ts';

/** A piece of shared memory. The bytes are whatever was there before. */
export interface GuestBuffer extends Disposable {
  /** Guest-physical address of the first byte. */
  readonly address: number;
  readonly length: number;
  readonly bytes: Uint8Array;
  /** Gives it back; `wipe` overwrites it with zeros first. Freeing twice throws. */
  free(options?: { wipe?: boolean }): void;
}

/** log2 of the smallest block: 64 bytes, a cache line. */
const MIN_ORDER = 6;
/** log2 of the largest block that can be told apart: 1 TiB. */
const MAX_ORDER = 40;
const NONE = -1;
const FREE = 0x80;

export class MemoryAllocator {
  readonly region: GuestRegion;
  readonly #onFree: (() => void) | undefined;
  /** For the first unit (64 bytes) of each block its order, with FREE if it is free; else 0. */
  readonly #state: Uint8Array;
  /** Links of the free lists, one list for each order. */
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #heads = new Int32Array(MAX_ORDER + 1).fill(NONE);
  #used = 0;

  /**
   * @param region memory to hand out, aligned to 64 bytes
   * @param onFree called whenever something was freed
   */
  constructor(region: GuestRegion, onFree?: () => void) {
    if (region.base % 2 ** MIN_ORDER !== 0) {
      throw new RangeError(`memory at ${region.base} is not aligned to ${2 ** MIN_ORDER} bytes`);
    }
    this.region = region;
    this.#onFree = onFree;
    const units = Math.floor(region.bytes.length / 2 ** MIN_ORDER);
    this.#state = new Uint8Array(units);
    this.#next = new Int32Array(units);
    this.#previous = new Int32Array(units);
    for (let unit = 0; unit < units; ) {
      const order = largestBlockAt(unit, units - unit);
      this.#putFree(unit, order);
      unit += 2 ** (order - MIN_ORDER);
    }
  }

  /** Bytes handed out, in whole blocks. */
  get used(): number {
    return this.#used;
  }

  /**
   * Reserves at least `length` bytes.
   * @returns the guest-physical address; undefined if there is no such block free now
   * @throws {VirtioError} VIRTIO_OUT_OF_MEMORY if it is more than all the memory
   */
  reserve(length: number): number | undefined {
    const wanted = orderOf(length);
    let order = wanted;
    while (order <= MAX_ORDER && this.#heads[order] === NONE) order += 1;
    if (order > MAX_ORDER) {
      if (length > this.region.bytes.length) throw tooLarge(length, this.region.bytes.length);
      return undefined;
    }
    const unit = this.#heads[order]!;
    this.#removeFree(unit, order);
    while (order > wanted) {
      order -= 1;
      this.#putFree(unit + 2 ** (order - MIN_ORDER), order);
    }
    this.#state[unit] = wanted;
    this.#used += 2 ** wanted;
    return this.region.base + unit * 2 ** MIN_ORDER;
  }

  /** Gives a reserved block back. `wipe` is how many bytes of it to overwrite with zeros first. */
  release(address: number, wipe = 0): void {
    const offset = address - this.region.base;
    let unit = offset / 2 ** MIN_ORDER;
    let order = this.#state[unit] ?? 0;
    if (order === 0 || order >= FREE) throw new RangeError(`nothing is reserved at address ${address}`);
    if (wipe > 0) this.region.bytes.fill(0, offset, offset + wipe);
    this.#used -= 2 ** order;
    this.#state[unit] = 0;
    for (;;) {
      const buddy = unit ^ (2 ** (order - MIN_ORDER));
      if (this.#state[buddy] !== (order | FREE)) break;
      this.#removeFree(buddy, order);
      unit = Math.min(unit, buddy);
      order += 1;
    }
    this.#putFree(unit, order);
    this.#onFree?.();
  }

  /**
   * Reserves a buffer to work in directly.
   * @throws {VirtioError} VIRTIO_OUT_OF_MEMORY
   */
  allocate(length: number): GuestBuffer {
    const address = this.reserve(length);
    if (address === undefined) throw tooLarge(length, this.region.bytes.length - this.#used);
    const offset = address - this.region.base;
    const bytes = this.region.bytes.subarray(offset, offset + length);
    const free = ({ wipe = false } = {}) => this.release(address, wipe ? length : 0);
    return { address, length, bytes, free, [Symbol.dispose]: () => free() };
  }

  #putFree(unit: number, order: number): void {
    const head = this.#heads[order]!;
    this.#state[unit] = order | FREE;
    this.#next[unit] = head;
    this.#previous[unit] = NONE;
    if (head !== NONE) this.#previous[head] = unit;
    this.#heads[order] = unit;
  }

  #removeFree(unit: number, order: number): void {
    const next = this.#next[unit]!;
    const previous = this.#previous[unit]!;
    if (previous === NONE) this.#heads[order] = next;
    else this.#next[previous] = next;
    if (next !== NONE) this.#previous[next] = previous;
    this.#state[unit] = 0;
  }
}

/** log2 of the smallest block for `length` bytes. */
function orderOf(length: number): number {
  if (!(Number.isSafeInteger(length) && length > 0)) throw new RangeError(`cannot reserve ${length} bytes`);
  if (length <= 2 ** MIN_ORDER) return MIN_ORDER;
  return length <= 2 ** 31 ? 32 - Math.clz32(length - 1) : Math.ceil(Math.log2(length));
}

/** Order of the largest aligned block that begins at `unit` and has at most `units`. */
function largestBlockAt(unit: number, units: number): number {
  let order = MIN_ORDER;
  for (let size = 2; size <= units && unit % size === 0 && order < MAX_ORDER; size *= 2) order += 1;
  return order;
}

function tooLarge(length: number, available: number): VirtioError {
  const message = `${length} bytes do not fit the memory shared with the device: ${available} bytes are free`;
  return new VirtioError('VIRTIO_OUT_OF_MEMORY', `${message}. Give it more, or send less at once.`);
}
