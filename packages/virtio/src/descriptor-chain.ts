/**
 * Reads a descriptor chain: VIRTIO 1.3, 2.7.5. What it guarantees to those who use the result:
 *
 * - every descriptor was read exactly once, into variables of ours; what the driver changes afterwards
 *   has no effect on what was checked (contents of the buffers can still change, addresses cannot);
 * - all ranges are inside guest memory, none is empty, together they are shorter than 2^32 bytes;
 * - there are no more of them than the limit, so a chain that loops ends as one that is too long;
 * - the readable ones come first.
 */
import { type GuestMemory, hex } from './guest-memory.ts';
import { Segments } from './segments.ts';
import {
  DESCRIPTOR_SIZE,
  VIRTQ_DESC_F_INDIRECT,
  VIRTQ_DESC_F_NEXT,
  VIRTQ_DESC_F_WRITE,
} from './split-ring.ts';
import { VirtqueueError } from './virtio-error.ts';

/** `next` is 16 bits wide, so no descriptor behind the 65536th can be reached. */
const INDIRECT_ENTRIES_MAX = 65536;

export interface ChainRules {
  /** Whether descriptors may refer to an indirect table. */
  readonly indirect: boolean;
  /** Most descriptors in a chain, those of an indirect table included. */
  readonly maxLength: number;
}

/**
 * Reads the chain that starts at descriptor `head` of the table of `size` descriptors into the two lists,
 * which must be empty.
 * @throws {VirtqueueError} for everything that the guarantees above rule out; the lists may then hold a part
 */
export function readChain(
  memory: GuestMemory,
  rules: ChainRules,
  mainTable: DataView,
  mainTableOffset: number,
  size: number,
  head: number,
  readable: Segments,
  writable: Segments,
): void {
  let table = mainTable;
  let tableOffset = mainTableOffset;
  let entries = size;
  let index = head;
  let inIndirect = false;
  let hasWritable = false;
  let count = 0;
  let total = 0;
  for (;;) {
    if (index >= entries) {
      throw violation('DESCRIPTOR_INDEX', `descriptor index ${index} is beyond the table of ${entries}`);
    }
    const at = tableOffset + index * DESCRIPTOR_SIZE;
    const low = table.getUint32(at, true);
    const high = table.getUint32(at + 4, true);
    // Mostly in the first 4 GiB: integers are faster than floating point.
    const address = high === 0 ? low : high * 2 ** 32 + low;
    const length = table.getUint32(at + 8, true);
    const flagsAndNext = table.getUint32(at + 12, true);
    const flags = flagsAndNext & 0xffff;

    if ((flags & VIRTQ_DESC_F_INDIRECT) !== 0) {
      if (inIndirect)
        throw violation('INDIRECT_NESTED', `descriptor ${index} of an indirect table is indirect`);
      checkIndirect(rules, index, length, flags);
      // The write-only flag of this descriptor is to be ignored (2.7.5.3.2).
      const region = memory.find(address, length);
      table = region !== undefined ? region.view : copyTable(memory, index, address, length);
      tableOffset = region !== undefined ? address - region.base : 0;
      entries = length / DESCRIPTOR_SIZE;
      index = 0;
      inIndirect = true;
      continue;
    }

    count += 1;
    if (count > rules.maxLength) {
      throw violation(
        'CHAIN_TOO_LONG',
        `chain at ${head} has more than ${rules.maxLength} descriptors or loops`,
      );
    }
    if (length === 0) throw violation('EMPTY_DESCRIPTOR', `descriptor ${index} has length 0`);
    total += length;
    if (total >= 2 ** 32) throw violation('TOO_MANY_BYTES', `chain at ${head} has 2^32 bytes or more`);
    if ((flags & VIRTQ_DESC_F_WRITE) !== 0) {
      hasWritable = true;
    } else if (hasWritable) {
      throw violation('WRITABLE_BEFORE_READABLE', `readable descriptor ${index} follows a writable one`);
    }
    if (!memory.translate(address, length, hasWritable ? writable : readable)) {
      throw outside('descriptor', index, address, length);
    }
    if ((flags & VIRTQ_DESC_F_NEXT) === 0) return;
    index = flagsAndNext >>> 16;
  }
}

function checkIndirect(rules: ChainRules, index: number, length: number, flags: number): void {
  if (!rules.indirect) {
    throw violation('INDIRECT_NOT_NEGOTIATED', `descriptor ${index} is indirect, which was not negotiated`);
  }
  if ((flags & VIRTQ_DESC_F_NEXT) !== 0) {
    throw violation('INDIRECT_WITH_NEXT', `descriptor ${index} has both INDIRECT and NEXT set`);
  }
  if (length === 0 || length % DESCRIPTOR_SIZE !== 0 || length > INDIRECT_ENTRIES_MAX * DESCRIPTOR_SIZE) {
    throw violation('INDIRECT_LENGTH', `descriptor ${index}: an indirect table cannot have ${length} bytes`);
  }
}

/** For an indirect table that crosses from one region into the next: a copy in one piece. */
function copyTable(memory: GuestMemory, index: number, address: number, length: number): DataView {
  const ranges = new Segments();
  if (!memory.translate(address, length, ranges))
    throw outside('indirect table of descriptor', index, address, length);
  return new DataView(ranges.toBytes().buffer);
}

function outside(what: string, index: number, address: number, length: number): VirtqueueError {
  const range = `${hex(address)}, ${length} bytes`;
  return violation('OUTSIDE_MEMORY', `${what} ${index}: ${range}, is outside of the guest's memory`);
}

type ChainViolation =
  | 'DESCRIPTOR_INDEX'
  | 'CHAIN_TOO_LONG'
  | 'OUTSIDE_MEMORY'
  | 'EMPTY_DESCRIPTOR'
  | 'TOO_MANY_BYTES'
  | 'WRITABLE_BEFORE_READABLE'
  | 'INDIRECT_NOT_NEGOTIATED'
  | 'INDIRECT_NESTED'
  | 'INDIRECT_WITH_NEXT'
  | 'INDIRECT_LENGTH';

function violation(what: ChainViolation, message: string): VirtqueueError {
  return new VirtqueueError(`VIRTQUEUE_${what}`, message);
}
