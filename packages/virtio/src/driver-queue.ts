/**
 * The driver's side of a split virtqueue: VIRTIO 1.3, section 2.7. Puts buffers into the available ring and
 * takes what the device has used from the used ring.
 *
 * The device is not trusted with the driver's own state: which descriptors are free, what is in flight and
 * how long its buffers are stays in private memory, and every answer is checked against it.
 */
import { GuestMemory, type GuestRegion } from './guest-memory.ts';
import {
  crossesEvent,
  DESCRIPTOR_SIZE,
  type MappedRing,
  mapRing,
  type QueueLayout,
  RING_ENTRIES,
  RING_FLAGS,
  RING_INDEX,
  VIRTQ_AVAIL_F_NO_INTERRUPT,
  VIRTQ_DESC_F_INDIRECT,
  VIRTQ_DESC_F_NEXT,
  VIRTQ_DESC_F_WRITE,
  VIRTQ_USED_F_NO_NOTIFY,
} from './split-ring.ts';
import { VirtqueueError } from './virtio-error.ts';

/** A range of guest-physical memory, in bytes. */
export interface GuestRange {
  readonly address: number;
  readonly length: number;
}

export interface DriverQueueOptions {
  /** VIRTIO_F_EVENT_IDX was negotiated. */
  readonly eventIdx: boolean;
  /** VIRTIO_F_INDIRECT_DESC was negotiated: memory for tables, `indirectTablesSize` bytes, aligned to 16. */
  readonly indirectTables?: number;
  /** Where a queue that ran before goes on, for both rings; 0 unless told. */
  readonly index?: number;
}

/** Entries in the indirect table of each descriptor; a longer chain goes directly into the queue. */
export const INDIRECT_TABLE_ENTRIES = 16;

/** Bytes of the indirect tables for a queue of `size` descriptors. */
export function indirectTablesSize(size: number): number {
  return size * INDIRECT_TABLE_ENTRIES * DESCRIPTOR_SIZE;
}

/** `Token` is what the driver wants back with the answer to a request. */
export class DriverQueue<Token> {
  readonly layout: QueueLayout;
  readonly #ring: MappedRing;
  readonly #eventIdx: boolean;
  readonly #indirectTables: number | undefined;
  readonly #mask: number;
  /** The free list, and the links of chains in flight, head by head. */
  readonly #next: Uint16Array;
  readonly #tokens: (Token | undefined)[];
  /** For a head in flight the number of descriptors it takes, else 0. */
  readonly #chainLength: Uint16Array;
  /** For a head in flight the bytes the device may write. */
  readonly #writable: Float64Array;
  #firstFree = 0;
  #freeCount: number;
  #inFlight = 0;
  #nextAvailable: number;
  /** What #nextAvailable was when the device's wish to be notified was looked at last. */
  #checkedAvailable: number;
  #nextUsed: number;

  /**
   * Prepares the rings in `memory`: they are zeroed.
   * @throws {VirtqueueError} VIRTQUEUE_SIZE, VIRTQUEUE_UNALIGNED, VIRTQUEUE_RING_OUTSIDE_MEMORY
   */
  constructor(memory: GuestRegion, layout: QueueLayout, options: DriverQueueOptions) {
    const { size } = layout;
    this.layout = layout;
    this.#ring = mapRing(new GuestMemory([memory]), layout);
    this.#eventIdx = options.eventIdx;
    this.#indirectTables = options.indirectTables;
    this.#mask = size - 1;
    this.#next = Uint16Array.from({ length: size }, (_, i) => i + 1);
    this.#tokens = new Array(size).fill(undefined);
    this.#chainLength = new Uint16Array(size);
    this.#writable = new Float64Array(size);
    this.#freeCount = size;
    const index = (options.index ?? 0) & 0xffff;
    this.#nextAvailable = index;
    this.#checkedAvailable = index;
    this.#nextUsed = index;
    this.#ring.available.fill(0);
    this.#ring.used.fill(0);
    this.#ring.available[RING_INDEX] = index;
    this.#ring.used[RING_INDEX] = index;
    this.enableInterrupts();
  }

  /** Requests added and not yet taken back. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Descriptors that are free. */
  get free(): number {
    return this.#freeCount;
  }

  /**
   * Makes a buffer available: the device reads the `readable` ranges and writes the `writable` ones. It may
   * begin at once. None may be empty; the memory must stay as it is until the token comes back.
   * @returns false if there are too few free descriptors now
   * @throws {RangeError} if it could never be added: no range, more than the queue has descriptors, an
   *   empty one, or 2^32 bytes together
   */
  add(readable: readonly GuestRange[], writable: readonly GuestRange[], token: Token): boolean {
    const count = readable.length + writable.length;
    if (count === 0 || count > this.layout.size) {
      throw new RangeError(`a chain of ${count} descriptors does not fit a queue of ${this.layout.size}`);
    }
    const writableBytes = sumLengths(writable);
    if (sumLengths(readable) + writableBytes >= 2 ** 32) {
      throw new RangeError('a chain must be shorter than 2^32 bytes');
    }
    const tables = count > 1 && count <= INDIRECT_TABLE_ENTRIES ? this.#indirectTables : undefined;
    const needed = tables === undefined ? count : 1;
    if (needed > this.#freeCount) return false;

    const head = this.#firstFree;
    if (tables === undefined) this.#writeDirect(readable, writable);
    else this.#writeIndirect(head, tables, readable, writable);
    this.#freeCount -= needed;
    this.#chainLength[head] = needed;
    this.#writable[head] = writableBytes;
    this.#tokens[head] = token;
    this.#inFlight += 1;
    const { available } = this.#ring;
    available[RING_ENTRIES + (this.#nextAvailable & this.#mask)] = head;
    this.#nextAvailable = (this.#nextAvailable + 1) & 0xffff;
    Atomics.store(available, RING_INDEX, this.#nextAvailable);
    return true;
  }

  /** Whether the device wants to be notified of what was added since the last call (2.7.10.1). */
  wantsKick(): boolean {
    const before = this.#checkedAvailable;
    const now = this.#nextAvailable;
    if (before === now) return false;
    this.#checkedAvailable = now;
    const { used } = this.#ring;
    if (this.#eventIdx) return crossesEvent(Atomics.load(used, used.length - 1), before, now);
    return (Atomics.load(used, RING_FLAGS) & VIRTQ_USED_F_NO_NOTIFY) === 0;
  }

  /**
   * Takes back what the device has used, and calls `done` with the token and the bytes written for each.
   * @returns how many there were
   * @throws {VirtqueueError} VIRTQUEUE_USED_JUMP, VIRTQUEUE_USED_ID, VIRTQUEUE_USED_LENGTH: the device answers
   *   what was not asked; the queue must not be used again
   */
  reap(done: (token: Token, written: number) => void): number {
    const { used, usedEntries } = this.#ring;
    let reaped = 0;
    let index = this.#nextUsed;
    for (;;) {
      // What was seen is taken before the index is read again.
      if (index === this.#nextUsed) {
        index = Atomics.load(used, RING_INDEX);
        const waiting = (index - this.#nextUsed) & 0xffff;
        if (waiting === 0) return reaped;
        if (waiting > this.#inFlight) {
          const message = `the device used ${waiting} buffers of ${this.#inFlight} in flight`;
          throw new VirtqueueError('VIRTQUEUE_USED_JUMP', message);
        }
      }
      const slot = (this.#nextUsed & this.#mask) * 2;
      const head = usedEntries[slot]!;
      const written = usedEntries[slot + 1]!;
      const token = this.#release(head, written);
      this.#nextUsed = (this.#nextUsed + 1) & 0xffff;
      reaped += 1;
      done(token, written);
    }
  }

  /** Tells the device that it need not notify of used buffers (2.7.7.1). It may all the same. */
  suppressInterrupts(): void {
    // With event indices the one that was set last is passed already, which suppresses as well.
    if (!this.#eventIdx) Atomics.store(this.#ring.available, RING_FLAGS, VIRTQ_AVAIL_F_NO_INTERRUPT);
  }

  /**
   * Asks the device to notify of the next used buffer.
   * @returns whether there is one already, of which it may not notify
   */
  enableInterrupts(): boolean {
    const { available, used } = this.#ring;
    if (this.#eventIdx) Atomics.store(available, available.length - 1, this.#nextUsed);
    else Atomics.store(available, RING_FLAGS, 0);
    return Atomics.load(used, RING_INDEX) !== this.#nextUsed;
  }

  /** Gives up: empties the queue. Only after a reset may the memory of these requests be used again. */
  abandon(dropped: (token: Token) => void): void {
    for (let head = 0; head < this.layout.size; head++) {
      if (this.#chainLength[head] !== 0) dropped(this.#release(head, 0));
    }
  }

  #writeDirect(readable: readonly GuestRange[], writable: readonly GuestRange[]): void {
    const count = readable.length + writable.length;
    const { table, tableOffset } = this.#ring;
    let index = this.#firstFree;
    for (let i = 0; i < count; i++) {
      const next = this.#next[index]!;
      writeChained(table, tableOffset, index, next, i, readable, writable);
      index = next;
    }
    this.#firstFree = index;
  }

  #writeIndirect(
    head: number,
    tables: number,
    readable: readonly GuestRange[],
    writable: readonly GuestRange[],
  ): void {
    const count = readable.length + writable.length;
    const { table, tableOffset } = this.#ring;
    const address = tables + head * INDIRECT_TABLE_ENTRIES * DESCRIPTOR_SIZE;
    // The region is one piece: addresses and offsets differ by a constant.
    const indirectOffset = address - this.layout.descriptorTable + tableOffset;
    for (let i = 0; i < count; i++) writeChained(table, indirectOffset, i, i + 1, i, readable, writable);
    const length = count * DESCRIPTOR_SIZE;
    writeDescriptor(table, tableOffset + head * DESCRIPTOR_SIZE, address, length, VIRTQ_DESC_F_INDIRECT, 0);
    this.#firstFree = this.#next[head]!;
  }

  #release(head: number, written: number): Token {
    const chainLength = this.#chainLength[head] ?? 0;
    if (chainLength === 0) {
      throw new VirtqueueError('VIRTQUEUE_USED_ID', `the device used buffer ${head}, which is not in flight`);
    }
    if (written > this.#writable[head]!) {
      const message = `the device says it wrote ${written} bytes into ${this.#writable[head]}`;
      throw new VirtqueueError('VIRTQUEUE_USED_LENGTH', message);
    }
    let tail = head;
    for (let i = 1; i < chainLength; i++) tail = this.#next[tail]!;
    this.#next[tail] = this.#firstFree;
    this.#firstFree = head;
    this.#freeCount += chainLength;
    this.#chainLength[head] = 0;
    this.#inFlight -= 1;
    const token = this.#tokens[head] as Token;
    this.#tokens[head] = undefined;
    return token;
  }
}

/** Writes descriptor `i` of the chain at `index` of the table. */
function writeChained(
  table: DataView,
  tableOffset: number,
  index: number,
  next: number,
  i: number,
  readable: readonly GuestRange[],
  writable: readonly GuestRange[],
): void {
  const isWritable = i >= readable.length;
  const range = isWritable ? writable[i - readable.length]! : readable[i]!;
  const isLast = i === readable.length + writable.length - 1;
  const flags = (isWritable ? VIRTQ_DESC_F_WRITE : 0) | (isLast ? 0 : VIRTQ_DESC_F_NEXT);
  const at = tableOffset + index * DESCRIPTOR_SIZE;
  writeDescriptor(table, at, range.address, range.length, flags, isLast ? 0 : next);
}

function writeDescriptor(
  table: DataView,
  at: number,
  address: number,
  length: number,
  flags: number,
  next: number,
): void {
  table.setUint32(at, address, true);
  table.setUint32(at + 4, address < 2 ** 32 ? 0 : Math.floor(address / 2 ** 32), true);
  table.setUint32(at + 8, length, true);
  table.setUint16(at + 12, flags, true);
  table.setUint16(at + 14, next, true);
}

function sumLengths(ranges: readonly GuestRange[]): number {
  let sum = 0;
  for (const { length } of ranges) {
    if (!(length > 0)) throw new RangeError(`a descriptor cannot have ${length} bytes`);
    sum += length;
  }
  return sum;
}
