/**
 * Where the fields of a split virtqueue are: VIRTIO 1.3, section 2.7. Both sides, device and driver, build
 * on this. All fields are little-endian.
 */
import { type GuestMemory, hex } from './guest-memory.ts';
import { VirtqueueError } from './virtio-error.ts';

/** Largest queue size (VIRTIO 1.3, 2.7). */
export const QUEUE_SIZE_MAX = 32768;

/** Bytes of a descriptor: le64 addr, le32 len, le16 flags, le16 next (VIRTIO 1.3, 2.7.5). */
export const DESCRIPTOR_SIZE = 16;
export const VIRTQ_DESC_F_NEXT = 1;
export const VIRTQ_DESC_F_WRITE = 2;
export const VIRTQ_DESC_F_INDIRECT = 4;

/** Flags of the available and of the used ring, where EVENT_IDX is not negotiated (2.7.7, 2.7.10). */
export const VIRTQ_AVAIL_F_NO_INTERRUPT = 1;
export const VIRTQ_USED_F_NO_NOTIFY = 1;

/** Places in a ring as a Uint16Array: flags, idx, entries, and behind them the other side's event index. */
export const RING_FLAGS = 0;
export const RING_INDEX = 1;
export const RING_ENTRIES = 2;

/** Where a queue lies: its size in descriptors and the guest-physical addresses of its three parts. */
export interface QueueLayout {
  readonly size: number;
  /** Descriptor Area: `16 * size` bytes, aligned to 16. */
  readonly descriptorTable: number;
  /** Driver Area: `6 + 2 * size` bytes, aligned to 2. */
  readonly availableRing: number;
  /** Device Area: `6 + 8 * size` bytes, aligned to 4. */
  readonly usedRing: number;
}

/** Sizes of the three parts in bytes. */
export function ringSizes(size: number): {
  descriptorTable: number;
  availableRing: number;
  usedRing: number;
} {
  return {
    descriptorTable: DESCRIPTOR_SIZE * size,
    availableRing: 6 + 2 * size,
    usedRing: 6 + 8 * size,
  };
}

/** Whether `size` can be that of a queue: a power of two up to `max`. */
export function isQueueSize(size: number, max = QUEUE_SIZE_MAX): boolean {
  return Number.isInteger(size) && size >= 1 && size <= max && (size & (size - 1)) === 0;
}

/** The three parts of a queue, mapped for the fastest access each allows. */
export interface MappedRing {
  /** Descriptors start at `tableOffset` of it. */
  readonly table: DataView;
  readonly tableOffset: number;
  /** le16: flags, idx, ring[size], used_event. */
  readonly available: Uint16Array;
  /** le16: flags, idx, the entries, avail_event. */
  readonly used: Uint16Array;
  /** The entries of the used ring, two le32 each: id, len. */
  readonly usedEntries: Uint32Array;
}

/**
 * Finds the rings in `memory`, each of them inside one region.
 * @throws {VirtqueueError} VIRTQUEUE_SIZE, VIRTQUEUE_UNALIGNED, VIRTQUEUE_RING_OUTSIDE_MEMORY
 */
export function mapRing(memory: GuestMemory, layout: QueueLayout): MappedRing {
  const { size } = layout;
  if (!isQueueSize(size)) {
    throw new VirtqueueError('VIRTQUEUE_SIZE', `queue size ${size} is not a power of two up to 32768`);
  }
  const bytes = ringSizes(size);
  const table = locate(memory, 'descriptor table', layout.descriptorTable, bytes.descriptorTable, 16);
  const available = locate(memory, 'available ring', layout.availableRing, bytes.availableRing, 2);
  const used = locate(memory, 'used ring', layout.usedRing, bytes.usedRing, 4);
  return {
    table: table.view,
    tableOffset: table.offset,
    available: new Uint16Array(available.buffer, available.byteOffset, bytes.availableRing / 2),
    used: new Uint16Array(used.buffer, used.byteOffset, bytes.usedRing / 2),
    usedEntries: new Uint32Array(used.buffer, used.byteOffset + 4, size * 2),
  };
}

function locate(memory: GuestMemory, part: string, address: number, length: number, alignment: number) {
  if (address % alignment !== 0) {
    throw new VirtqueueError(
      'VIRTQUEUE_UNALIGNED',
      `${part} at ${hex(address)} is not aligned to ${alignment} bytes`,
    );
  }
  const region = memory.find(address, length);
  if (region === undefined) {
    throw new VirtqueueError(
      'VIRTQUEUE_RING_OUTSIDE_MEMORY',
      `${part} at ${hex(address)}, ${length} bytes, is outside of the guest's memory`,
    );
  }
  const offset = address - region.base;
  const { buffer, byteOffset } = region.bytes;
  return { view: region.view, offset, buffer, byteOffset: byteOffset + offset };
}

/**
 * Whether the other side, which asked to be told when entry `event` is written, must be told now that
 * the index went from `before` to `now` (2.7.7.2, 2.7.10.1). All are free-running 16-bit indices.
 */
export function crossesEvent(event: number, before: number, now: number): boolean {
  return ((now - event - 1) & 0xffff) < ((now - before) & 0xffff);
}

// The indices go through Atomics, which know only the host's byte order.
if (new Uint8Array(Uint16Array.of(1).buffer)[0] !== 1) {
  throw new Error('virtqueues need a little-endian host');
}
