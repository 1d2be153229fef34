/**
 * The memory of a guest as its devices see it: regions at guest-physical addresses. Every address that
 * comes from a driver passes through here, at every use.
 */
import { MemoryBlock, type Segments } from './segments.ts';

/** A stretch of guest-physical memory. */
export interface GuestRegion {
  /** Guest-physical address of its first byte; the region ends at or below 2^53. */
  readonly base: number;
  /** The bytes, in an ArrayBuffer or a SharedArrayBuffer, aligned (mod 16) as `base` is. */
  readonly bytes: Uint8Array;
}

/** A region with what the hot path needs of it at hand. */
export interface MappedRegion extends GuestRegion {
  /** Guest-physical address of the first byte after it. */
  readonly end: number;
  /** The same bytes, for little-endian fields at any alignment. */
  readonly view: DataView;
  /** What ranges in it refer to. */
  readonly block: MemoryBlock;
}

export class GuestMemory {
  /** Sorted by address. */
  #regions: readonly MappedRegion[] = [];
  /** The region found last: nearly always the one looked for next. */
  #recent: MappedRegion | undefined;

  /** @throws {RangeError} as `replace` */
  constructor(regions: readonly GuestRegion[]) {
    this.replace(regions);
  }

  /**
   * Puts a new memory table in place of the old one. Rings in the old memory must be mapped anew
   * (`SplitVirtqueue.remap`).
   * @throws {RangeError} if a region is empty, overlaps another, is misaligned or reaches beyond 2^53; the
   *   old table then stays
   */
  replace(regions: readonly GuestRegion[]): void {
    const mapped = regions.map((region) => mapRegion(region)).sort((a, b) => a.base - b.base);
    mapped.forEach((region, i) => {
      const next = mapped[i + 1];
      if (next !== undefined && next.base < region.end) {
        throw new RangeError(`guest memory regions at ${hex(region.base)} and ${hex(next.base)} overlap`);
      }
    });
    this.#regions = mapped;
    this.#recent = undefined;
  }

  /**
   * The memory lies elsewhere in this process now, as it is. Ranges of requests under way, and all parts of them,
   * follow. Rings must be mapped anew.
   * @param bytesAt where the region of that address and size lies
   * @throws {RangeError} as `replace`, if it is shorter, longer or aligned otherwise; nothing has moved then
   */
  move(bytesAt: (base: number, length: number) => Uint8Array): void {
    const moved = this.#regions.map(({ base, end, block }) => {
      const region = mapRegion({ base, bytes: bytesAt(base, end - base) }, block);
      if (region.end !== end) {
        throw new RangeError(`${region.bytes.length} bytes cannot stand for ${end - base} at ${hex(base)}`);
      }
      return region;
    });
    for (const { block, bytes } of moved) block.bytes = bytes;
    this.#regions = moved;
    this.#recent = undefined;
  }

  /**
   * The guest-physical address at which a block of this memory begins.
   * @throws {RangeError} if it is none of it
   */
  baseOf(block: MemoryBlock): number {
    const region = this.#regions.find((candidate) => candidate.block === block);
    if (region === undefined) throw new RangeError('this is no part of the memory');
    return region.base;
  }

  /** The one region that holds all of `[address, address + length)`; undefined if none does. */
  find(address: number, length: number): MappedRegion | undefined {
    const region = this.#regionAt(address);
    return region !== undefined && length <= region.end - address ? region : undefined;
  }

  /**
   * Appends the guest-physical range to `target`, in parts where it crosses from one region into another
   * that continues it.
   * @returns false if any of it is outside of the memory; `target` may then hold a part of it
   */
  translate(address: number, length: number, target: Segments): boolean {
    const region = this.find(address, length);
    if (region !== undefined) {
      target.push(region.block, address - region.base, length);
      return true;
    }
    let at = address;
    let left = length;
    while (left > 0) {
      const region = this.#regionAt(at);
      if (region === undefined) return false;
      const take = Math.min(left, region.end - at);
      target.push(region.block, at - region.base, take);
      at += take;
      left -= take;
    }
    return true;
  }

  #regionAt(address: number): MappedRegion | undefined {
    const recent = this.#recent;
    if (recent !== undefined && address >= recent.base && address < recent.end) return recent;
    for (const region of this.#regions) {
      if (address >= region.base && address < region.end) {
        this.#recent = region;
        return region;
      }
    }
    return undefined;
  }
}

/** A guest-physical address or a length as people read it. */
export function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

function mapRegion({ base, bytes }: GuestRegion, block = new MemoryBlock(bytes)): MappedRegion {
  const end = base + bytes.length;
  if (!(Number.isSafeInteger(base) && base >= 0 && end <= 2 ** 53)) {
    throw new RangeError(`guest memory region at ${base} is not below 2^53`);
  }
  if (bytes.length === 0) throw new RangeError(`guest memory region at ${hex(base)} is empty`);
  if (bytes.byteOffset % 16 !== base % 16) {
    throw new RangeError(`guest memory region at ${hex(base)} lies at an alignment of its own in the host`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return { base, bytes, end, view, block };
}
