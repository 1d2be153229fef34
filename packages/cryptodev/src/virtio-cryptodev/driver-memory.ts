/**
 * The driver's share of the memory it has in common with the device: a small block for the headers of each
 * request in flight, blocks for data on its way in and out, and the pieces that callers work in directly.
 */
import type { MemoryAllocator } from '@skytale/virtio';
import { VirtioError } from '@skytale/virtio';
import type { DeviceMemory } from '../crypto-device.ts';
import { CryptoError } from '../crypto-error.ts';
import { checkMemoryLength } from '../device-memory.ts';

/** Bytes for the headers of a request and the short parts that go with them. */
export const headLength = 128;
/** Pieces up to this length have `headLength` bytes before them, for the headers of a request on them. */
const longestWithHeadroom = 16 * 1024;
/** The allocator's smallest block, and so the resolution at which pieces are known. */
const unitLength = 64;
/** As many as there are numbers for: `#owners` has 16 bits. */
const maxPieces = 0xffff;

export class DriverMemory {
  /** All of it. */
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly #buffer: ArrayBufferLike;
  /** Address, for the device, of the first byte of `bytes`. */
  readonly base: number;
  readonly #allocator: MemoryAllocator;
  readonly #idleHeads: number[] = [];
  /** Blocks for headers that were made. */
  #heads = 0;
  /** Blocks handed out and not given back. */
  #blocks = 0;
  /** For each unit the number of the piece it belongs to, 0 if none. */
  readonly #owners: Uint16Array;
  /** By their numbers. */
  readonly #pieces: (Piece | undefined)[] = [undefined];
  readonly #idleNumbers: number[] = [];
  /** Most bytes of the allocator's that all pieces together may take, and what they do take. */
  readonly #pieceLimit: number;
  #pieceBytes = 0;

  constructor(allocator: MemoryAllocator) {
    const { bytes, base } = allocator.region;
    this.#allocator = allocator;
    this.bytes = bytes;
    this.#buffer = bytes.buffer;
    this.words = new Uint32Array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.length / 4));
    this.base = base;
    this.#owners = new Uint16Array(Math.ceil(bytes.length / unitLength));
    this.#pieceLimit = Math.floor((bytes.length - allocator.used) / 2);
  }

  /**
   * A block for headers, `headLength` bytes.
   * @returns as `takeBlock`
   * @throws as `takeBlock`
   */
  takeHead(): number | undefined {
    const idle = this.#idleHeads.pop();
    if (idle !== undefined) return idle;
    const offset = this.#reserve(headLength);
    if (offset !== undefined) this.#heads += 1;
    else if (this.#heads === 0) throw tooLong(headLength);
    return offset;
  }

  /** Keeps the block for the next request. */
  giveHead(offset: number): void {
    this.#idleHeads.push(offset);
  }

  /**
   * A block of at least `length` bytes.
   * @returns its offset in `bytes`; undefined if there will be one when others are given back
   * @throws {VirtioError} VIRTIO_OUT_OF_MEMORY if there never can be
   */
  takeBlock(length: number): number | undefined {
    const offset = this.#reserve(length);
    if (offset !== undefined) this.#blocks += 1;
    else if (this.#blocks === 0) throw tooLong(length);
    return offset;
  }

  /** Gives a block back; the first `wipe` bytes of it are overwritten with zeros. */
  giveBlock(offset: number, wipe = 0): void {
    this.#blocks -= 1;
    this.#allocator.release(this.base + offset, wipe);
  }

  /**
   * A piece to work in directly. All of them together have at most half of what was free at first: requests need some.
   * @throws {CryptoError} CRYPTO_LIMIT
   */
  allocate(length: number): DeviceMemory {
    checkMemoryLength(length);
    const headroom = headroomOf(length);
    const taken = blockLength(headroom + length);
    const number = this.#idleNumbers.at(-1) ?? this.#pieces.length;
    const fits = this.#pieceBytes + taken <= this.#pieceLimit && number <= maxPieces;
    const block = fits ? this.#reserve(headroom + length) : undefined;
    if (block === undefined) {
      const used = `${this.#pieceBytes} of ${this.#pieceLimit} are in use`;
      throw new CryptoError('CRYPTO_LIMIT', `${length} bytes of device memory; ${used}. Free some`);
    }
    this.#idleNumbers.pop();
    const offset = block + headroom;
    const bytes = this.bytes.subarray(offset, offset + length);
    const free = (): void => this.#free(number, block);
    const piece = new Piece(bytes, offset + this.bytes.byteOffset, headroom > 0, free);
    piece.bytes.fill(0);
    this.#own(offset, length, number);
    this.#pieces[number] = piece;
    this.#pieceBytes += taken;
    return piece;
  }

  /**
   * The piece that `bytes` lies in; undefined for memory of another kind.
   * @throws {CryptoError} CRYPTO_CLOSED if the piece was freed
   */
  pieceOf(bytes: Uint8Array): Piece | undefined {
    if (bytes.length === 0 || bytes.buffer !== this.#buffer) return undefined;
    const first = (bytes.byteOffset - this.bytes.byteOffset) / unitLength;
    const piece = this.#pieces[this.#owners[Math.floor(first)] ?? 0];
    if (piece?.holds(bytes)) return piece;
    throw new CryptoError('CRYPTO_CLOSED', 'memory of the device that was freed, or never allocated');
  }

  #free(number: number, block: number): void {
    const { bytes } = this.#pieces[number]!;
    // Of no length if the device is closed and the memory gone.
    const { length } = bytes;
    this.#pieces[number] = undefined;
    this.#idleNumbers.push(number);
    if (length === 0) return;
    const headroom = headroomOf(length);
    this.#own(block + headroom, length, 0);
    this.#pieceBytes -= blockLength(headroom + length);
    this.#allocator.release(this.base + block, headroom + length);
  }

  #own(offset: number, length: number, number: number): void {
    this.#owners.fill(number, offset / unitLength, Math.ceil((offset + length) / unitLength));
  }

  #reserve(length: number): number | undefined {
    const address = this.#allocator.reserve(length);
    return address === undefined ? undefined : address - this.base;
  }
}

function headroomOf(length: number): number {
  return length <= longestWithHeadroom ? headLength : 0;
}

/** What the allocator takes for a block: powers of two. */
function blockLength(length: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(length, unitLength)));
}

function tooLong(length: number): VirtioError {
  const message = `${length} bytes do not fit the memory shared with the device, though no request is under way`;
  return new VirtioError('VIRTIO_OUT_OF_MEMORY', `${message}. Give it more, or send less at once.`);
}

/** A piece in the hands of a caller. Freed while requests use it, it goes back when the last of them is done. */
export class Piece implements DeviceMemory {
  readonly bytes: Uint8Array;
  readonly #free: () => void;
  // What `bytes` says as well, in the cache line that is looked at anyway.
  readonly #start: number;
  readonly #end: number;
  /** Whether the `headLength` bytes before it are there, and nobody's. */
  #hasHeadroom: boolean;
  #users = 0;
  #isFreed = false;

  /** @param start `byteOffset` of `bytes` */
  constructor(bytes: Uint8Array, start: number, hasHeadroom: boolean, free: () => void) {
    this.bytes = bytes;
    this.#start = start;
    this.#end = start + bytes.length;
    this.#hasHeadroom = hasHeadroom;
    this.#free = free;
  }

  /**
   * Takes the `headLength` bytes before `range`, for as long as the piece is held.
   * @returns whether they are to be had
   */
  takeHeadroom({ byteOffset }: Uint8Array): boolean {
    if (!this.#hasHeadroom || byteOffset !== this.#start) return false;
    this.#hasHeadroom = false;
    return true;
  }

  giveHeadroom(): void {
    this.#hasHeadroom = true;
  }

  /** Whether all of `range`, which begins in the same memory, is inside and usable. */
  holds({ byteOffset, length }: Uint8Array): boolean {
    return !this.#isFreed && byteOffset >= this.#start && byteOffset + length <= this.#end;
  }

  /** A request uses it from now on. */
  hold(): void {
    this.#users += 1;
  }

  letGo(): void {
    this.#users -= 1;
    if (this.#isFreed && this.#users === 0) this.#free();
  }

  [Symbol.dispose](): void {
    if (this.#isFreed) return;
    this.#isFreed = true;
    if (this.#users === 0) this.#free();
  }
}
