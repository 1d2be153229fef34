/**
 * Memory in which a back end notes which requests it has taken and not yet returned, kept by the front end,
 * so that the next back end can do again what this one could not finish: specification, "Inflight I/O
 * tracking".
 *
 * A queue has 16 bytes {u64 features; u16 version; u16 desc_num; u16 last_batch_head; u16 used_idx} and for
 * each descriptor 16 more {u8 inflight; u8 padding[5]; u16 next; u64 counter}.
 *
 * The front end can write to it: what is read here is an index that gets checked, or an order.
 */
import type { RequestTracker } from '@skytale/virtio';
import type { FileDescriptor } from './ffi/file-descriptor.ts';
import { createSharedMemory, type MapOptions, SharedMapping } from './ffi/shared-memory.ts';
import type { InflightArea } from './payload.ts';
import { refused } from './vhost-user-error.ts';

const HEADER = 16;
const ENTRY = 16;
const VERSION = 8;
const DESCRIPTORS = 10;
const LAST_BATCH_HEAD = 12;
const USED_INDEX = 14;
const ENTRY_NEXT = 6;
const ENTRY_COUNTER = 8;
/** Queues start on a cache line. */
const ALIGNMENT = 64;

function queueBytes(queueSize: number): number {
  return Math.ceil((HEADER + ENTRY * queueSize) / ALIGNMENT) * ALIGNMENT;
}

/** The whole area. Owns its mapping. */
export class InflightMemory implements Disposable {
  readonly #mapping: SharedMapping;
  readonly #queues: number;
  readonly #queueSize: number;

  private constructor(mapping: SharedMapping, queues: number, queueSize: number) {
    this.#mapping = mapping;
    this.#queues = queues;
    this.#queueSize = queueSize;
  }

  /** A new area of zeros, and the descriptor to give to the front end, which the caller owns. */
  static create(
    queues: number,
    queueSize: number,
  ): { memory: InflightMemory; file: FileDescriptor; area: InflightArea } {
    const mmapSize = queues * queueBytes(queueSize);
    const file = createSharedMemory('vhost-user-inflight', mmapSize);
    try {
      const memory = new InflightMemory(new SharedMapping(file, 0, mmapSize), queues, queueSize);
      return { memory, file, area: { mmapSize, mmapOffset: 0, queues, queueSize } };
    } catch (error) {
      file[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * An area that an earlier back end has made.
   * @throws {VhostUserError} VHOST_USER_REFUSED if it is too small for what it says
   */
  static adopt(file: FileDescriptor, area: InflightArea, options: MapOptions): InflightMemory {
    const { mmapSize, mmapOffset, queues, queueSize } = area;
    const needed = queues * queueBytes(queueSize);
    if (needed === 0 || mmapSize < needed) {
      throw refused(`${queues} queues of ${queueSize} do not fit an in-flight area of ${mmapSize} bytes`);
    }
    try {
      return new InflightMemory(new SharedMapping(file, mmapOffset, needed, options), queues, queueSize);
    } catch (error) {
      throw refused(`in-flight area: ${(error as Error).message}`, { cause: error });
    }
  }

  /** The part of one queue; undefined if the area has none for it. */
  queue(index: number, size: number): InflightQueue | undefined {
    if (index >= this.#queues || size > this.#queueSize) return undefined;
    const bytes = queueBytes(this.#queueSize);
    return new InflightQueue(this.#mapping.bytes.subarray(index * bytes, (index + 1) * bytes), size);
  }

  [Symbol.dispose](): void {
    this.#mapping[Symbol.dispose]();
  }
}

/** What is in flight in one queue. */
export class InflightQueue implements RequestTracker {
  readonly #view: DataView;
  readonly #size: number;
  #counter = 0;

  constructor(bytes: Uint8Array, size: number) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#size = size;
  }

  /**
   * Starts the queue, whose used ring has come to `usedIndex`.
   * @returns the heads that were taken and not returned, in the order in which they were taken; undefined if
   *   nothing was ever tracked here
   */
  resume(usedIndex: number): number[] | undefined {
    const view = this.#view;
    if (view.getUint16(VERSION, true) !== 1 || view.getUint16(DESCRIPTORS, true) !== this.#size) {
      this.#initialize(usedIndex);
      return undefined;
    }
    this.#finishLastBatch(usedIndex);
    const heads: { head: number; counter: bigint }[] = [];
    for (let head = 0; head < this.#size; head++) {
      if (view.getUint8(entry(head)) !== 1) continue;
      heads.push({ head, counter: view.getBigUint64(entry(head) + ENTRY_COUNTER, true) });
    }
    heads.sort((a, b) => (a.counter < b.counter ? -1 : 1));
    // The order is all that counters are for, so they can begin again.
    this.#counter = 0;
    for (const { head } of heads) this.#stamp(head);
    return heads.map(({ head }) => head);
  }

  taken(head: number): void {
    this.#stamp(head);
    this.#view.setUint8(entry(head), 1);
  }

  returning(head: number): void {
    this.#view.setUint16(entry(head) + ENTRY_NEXT, this.#view.getUint16(LAST_BATCH_HEAD, true), true);
    this.#view.setUint16(LAST_BATCH_HEAD, head, true);
  }

  returned(head: number, usedIndex: number): void {
    this.#view.setUint8(entry(head), 0);
    this.#view.setUint16(USED_INDEX, usedIndex, true);
  }

  givenBack(head: number): void {
    this.#view.setUint8(entry(head), 0);
  }

  #initialize(usedIndex: number): void {
    for (let head = 0; head < this.#size; head++) this.#view.setUint8(entry(head), 0);
    this.#view.setUint16(DESCRIPTORS, this.#size, true);
    this.#view.setUint16(USED_INDEX, usedIndex, true);
    this.#view.setUint16(VERSION, 1, true);
  }

  /** The back end before us may have died between moving the used index and noting that here. */
  #finishLastBatch(usedIndex: number): void {
    const view = this.#view;
    const batch = (usedIndex - view.getUint16(USED_INDEX, true)) & 0xffff;
    let head = view.getUint16(LAST_BATCH_HEAD, true);
    for (let i = 0; i < batch && i < this.#size && head < this.#size; i++) {
      view.setUint8(entry(head), 0);
      head = view.getUint16(entry(head) + ENTRY_NEXT, true);
    }
    view.setUint16(USED_INDEX, usedIndex, true);
  }

  #stamp(head: number): void {
    const at = entry(head) + ENTRY_COUNTER;
    this.#view.setUint32(at, this.#counter >>> 0, true);
    this.#view.setUint32(at + 4, Math.floor(this.#counter / 2 ** 32), true);
    this.#counter += 1;
  }
}

function entry(head: number): number {
  return HEADER + ENTRY * head;
}
