/**
 * Memory that ranges lie in. Who owns it may move it elsewhere, by other `bytes` of the same length: so ranges, and
 * parts of them that somebody keeps, refer to this and not to the array.
 */
export class MemoryBlock {
  bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

/**
 * A list of byte ranges: what a descriptor chain points at, and what engines read and write.
 *
 * Three parallel arrays instead of an array of subarrays, because creating a `Uint8Array` view for each
 * descriptor costs more than the ring work for it, and because an engine that calls native code wants
 * base and offset, not a view.
 */
export class Segments {
  /** Number of ranges; entries of the arrays at and beyond it are stale. */
  count = 0;
  /** Sum of all lengths, in bytes. */
  byteLength = 0;
  /** The memory a range lies in. Ranges of one region share one block. */
  readonly memory: MemoryBlock[] = [];
  /** Start of a range, in bytes from the start of its `memory`. */
  readonly offset: number[] = [];
  /** Length of a range in bytes. */
  readonly length: number[] = [];

  /** One range that covers `bytes`. */
  static of(bytes: Uint8Array): Segments {
    const segments = new Segments();
    segments.push(bytes, 0, bytes.length);
    return segments;
  }

  /** Forgets all ranges and the memory they lie in. */
  clear(): void {
    // Entry by entry: to cut the array would allocate it again for the next range.
    for (let i = 0; i < this.count; i++) this.memory[i] = NO_MEMORY;
    this.count = 0;
    this.byteLength = 0;
  }

  /**
   * Appends the range `memory[offset, offset + length)`; one that continues the range before it is merged
   * into it. An empty range is left out.
   * @throws {RangeError} if the range is not inside `memory`
   */
  push(memory: Uint8Array | MemoryBlock, offset: number, length: number): void {
    if (memory instanceof MemoryBlock) this.#push(memory, offset, length);
    else this.#push(this.#lastBlock(memory) ?? new MemoryBlock(memory), offset, length);
  }

  #lastBlock(memory: Uint8Array): MemoryBlock | undefined {
    const block = this.count > 0 ? this.memory[this.count - 1]! : undefined;
    return block?.bytes === memory ? block : undefined;
  }

  #push(memory: MemoryBlock, offset: number, length: number): void {
    const size = memory.bytes.length;
    if (!(offset >= 0 && length >= 0 && offset + length <= size)) {
      throw new RangeError(`range ${offset}+${length} is outside of ${size} bytes`);
    }
    if (length === 0) return;
    this.byteLength += length;
    const last = this.count - 1;
    if (last >= 0 && this.memory[last] === memory && this.offset[last]! + this.length[last]! === offset) {
      this.length[last]! += length;
      return;
    }
    this.memory[this.count] = memory;
    this.offset[this.count] = offset;
    this.length[this.count] = length;
    this.count += 1;
  }

  /**
   * Makes `target` the part of this list that starts at `start` and is `length` bytes long. `target` is
   * cleared first, and returned.
   * @throws {RangeError} if this list is shorter than `start + length`
   */
  slice(start: number, length: number, target: Segments = new Segments()): Segments {
    if (!(start >= 0 && length >= 0 && start + length <= this.byteLength)) {
      throw new RangeError(`part ${start}+${length} is outside of ${this.byteLength} bytes`);
    }
    target.clear();
    const last = this.count - 1;
    // The usual part lies at the end, in one range.
    if (last >= 0 && length > 0 && start + length === this.byteLength && length <= this.length[last]!) {
      target.memory[0] = this.memory[last]!;
      target.offset[0] = this.offset[last]! + this.length[last]! - length;
      target.length[0] = length;
      target.count = 1;
      target.byteLength = length;
      return target;
    }
    let skip = start;
    let left = length;
    for (let i = 0; left > 0; i++) {
      const available = this.length[i]! - skip;
      if (available <= 0) {
        skip = -available;
        continue;
      }
      const take = Math.min(available, left);
      target.push(this.memory[i]!, this.offset[i]! + skip, take);
      left -= take;
      skip = 0;
    }
    return target;
  }

  /**
   * Copies `length` bytes from position `start` of this list into `target` at `targetOffset`.
   * @throws {RangeError} if either side is too short, or the memory has moved
   */
  copyTo(start: number, length: number, target: Uint8Array, targetOffset = 0): void {
    this.#copy(start, length, target, targetOffset, false);
  }

  /**
   * Copies `length` bytes of `source` from `sourceOffset` into this list at position `start`.
   * @throws {RangeError} if either side is too short, or the memory has moved
   */
  copyFrom(start: number, length: number, source: Uint8Array, sourceOffset = 0): void {
    this.#copy(start, length, source, sourceOffset, true);
  }

  /** All the bytes, in an array of their own. */
  toBytes(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.byteLength);
    this.copyTo(0, bytes.length, bytes);
    return bytes;
  }

  /** Overwrites the bytes from position `start` to `start + length` with `value`. */
  fill(value: number, start = 0, length = this.byteLength - start): void {
    const part = this.slice(start, length);
    for (let i = 0; i < part.count; i++) {
      const offset = part.offset[i]!;
      part.memory[i]!.bytes.fill(value, offset, offset + part.length[i]!);
    }
  }

  #copy(start: number, length: number, other: Uint8Array, otherOffset: number, inward: boolean): void {
    if (!(start >= 0 && length >= 0 && start + length <= this.byteLength)) {
      throw new RangeError(`part ${start}+${length} is outside of ${this.byteLength} bytes`);
    }
    if (!(otherOffset >= 0 && otherOffset + length <= other.length)) {
      throw new RangeError(`range ${otherOffset}+${length} is outside of ${other.length} bytes`);
    }
    let skip = start;
    let done = 0;
    for (let i = 0; done < length; i++) {
      const available = this.length[i]! - skip;
      if (available <= 0) {
        skip = -available;
        continue;
      }
      const take = Math.min(available, length - done);
      const memory = this.memory[i]!.bytes;
      const from = this.offset[i]! + skip;
      const at = otherOffset + done;
      // Memory that has moved has no bytes here any more, and the loop would not say so.
      if (from + take > memory.length) throw new RangeError('the memory of this range has moved');
      if (take <= shortCopy)
        copyBytes(
          inward ? other : memory,
          inward ? at : from,
          take,
          inward ? memory : other,
          inward ? from : at,
        );
      else if (inward) memory.set(other.subarray(at, at + take), from);
      else other.set(memory.subarray(from, from + take), at);
      done += take;
      skip = 0;
    }
  }
}

/** In bytes: up to here a loop is faster than `set`, which wants a view made. */
const shortCopy = 32;

function copyBytes(from: Uint8Array, start: number, length: number, to: Uint8Array, at: number): void {
  for (let i = 0; i < length; i++) to[at + i] = from[start + i]!;
}

/** Stands where a range was that is forgotten. */
const NO_MEMORY = new MemoryBlock(new Uint8Array(0));
