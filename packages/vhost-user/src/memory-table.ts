import { GuestMemory } from '@skytale/virtio';
import type { FileDescriptor } from './ffi/file-descriptor.ts';
import { type MapOptions, SharedMapping } from './ffi/shared-memory.ts';
import type { MemoryRegion } from './payload.ts';
import { refused } from './vhost-user-error.ts';

/** Most regions at once, QEMU's own limit for vhost-user being 512. */
export const MEMORY_SLOTS = 509;
/** Most memory in bytes, so that no front end can use up this process's address space: 16 TiB of 128. */
const MEMORY_MAX = 2 ** 44;
/** Ring fields are accessed atomically, so they must be aligned here as they are in the guest. */
const ALIGNMENT = 16;

interface MappedRegion {
  readonly region: MemoryRegion;
  readonly mapping: SharedMapping;
}

/**
 * The guest's memory as a front end describes it, mapped. Owns the mappings; descriptors stay the caller's
 * and are not needed afterwards. A change that is refused changes nothing.
 */
export class MemoryTable implements Disposable {
  readonly guest = new GuestMemory([]);
  readonly #options: MapOptions;
  #mapped: readonly MappedRegion[] = [];
  readonly #retired: SharedMapping[] = [];

  constructor(options: MapOptions = {}) {
    this.#options = options;
  }

  /**
   * Puts `regions`, one for each of `descriptors`, in place of all that were there.
   * @throws {VhostUserError} VHOST_USER_REFUSED
   */
  replace(regions: readonly MemoryRegion[], descriptors: readonly FileDescriptor[]): void {
    const mapped: MappedRegion[] = [];
    try {
      this.#checkRegions(regions);
      for (const [i, region] of regions.entries()) mapped.push(this.#map(region, descriptors[i]!));
      this.#install(mapped);
    } catch (error) {
      for (const { mapping } of mapped) mapping[Symbol.dispose]();
      throw asRefusal(error);
    }
  }

  /** @throws {VhostUserError} VHOST_USER_REFUSED */
  add(region: MemoryRegion, descriptor: FileDescriptor): void {
    let added: MappedRegion | undefined;
    try {
      this.#checkRegions([...this.#mapped.map((mapped) => mapped.region), region]);
      added = this.#map(region, descriptor);
      this.#install([...this.#mapped, added]);
    } catch (error) {
      added?.mapping[Symbol.dispose]();
      throw asRefusal(error);
    }
  }

  /**
   * Removes the region with these addresses and this size; the offset is not looked at.
   * @throws {VhostUserError} VHOST_USER_REFUSED if there is none
   */
  remove({ guestAddress, userAddress, size }: MemoryRegion): void {
    const rest = this.#mapped.filter(
      ({ region }) =>
        region.guestAddress !== guestAddress || region.userAddress !== userAddress || region.size !== size,
    );
    if (rest.length === this.#mapped.length) {
      throw refused(`there is no region of ${size} bytes at 0x${guestAddress.toString(16)} to remove`);
    }
    this.#install(rest);
  }

  get regions(): number {
    return this.#mapped.length;
  }

  /** The guest-physical address of what the front end has at `userAddress`; undefined outside of all regions. */
  toGuestAddress(userAddress: number): number | undefined {
    const found = this.#mapped.find(
      ({ region }) => userAddress >= region.userAddress && userAddress < region.userAddress + region.size,
    );
    return found && found.region.guestAddress + (userAddress - found.region.userAddress);
  }

  /**
   * Unmaps what was replaced and removed. Until this is called it stays mapped, for requests that were taken
   * before: call it when there is no such request.
   */
  releaseRetired(): void {
    for (const mapping of this.#retired) mapping[Symbol.dispose]();
    this.#retired.length = 0;
  }

  [Symbol.dispose](): void {
    this.#install([]);
    this.releaseRetired();
  }

  /** What `GuestMemory` does not check: it knows no user addresses, and no sizes before they are mapped. */
  #checkRegions(regions: readonly MemoryRegion[]): void {
    checkRegions(regions);
    // What was taken away counts while requests keep it mapped: a device may keep some for ever.
    const count = regions.length + this.#retired.length;
    if (count > MEMORY_SLOTS) throw refused(`all ${MEMORY_SLOTS} memory slots are in use`);
    const retired = this.#retired.reduce((sum, { bytes }) => sum + bytes.length, 0);
    const total = regions.reduce((sum, { size }) => sum + size, retired);
    if (total > MEMORY_MAX) throw refused(`${total} bytes of guest memory are more than ${MEMORY_MAX}`);
  }

  #map(region: MemoryRegion, descriptor: FileDescriptor): MappedRegion {
    return { region, mapping: new SharedMapping(descriptor, region.mmapOffset, region.size, this.#options) };
  }

  #install(mapped: readonly MappedRegion[]): void {
    this.guest.replace(
      mapped.map(({ region, mapping }) => ({ base: region.guestAddress, bytes: mapping.bytes })),
    );
    for (const { mapping } of this.#mapped) {
      if (!mapped.some((kept) => kept.mapping === mapping)) this.#retired.push(mapping);
    }
    this.#mapped = mapped;
  }
}

function checkRegions(regions: readonly MemoryRegion[]): void {
  for (const { guestAddress, mmapOffset, size } of regions) {
    if (size === 0) throw refused(`the region at 0x${guestAddress.toString(16)} is empty`);
    if (guestAddress % ALIGNMENT !== 0 || mmapOffset % ALIGNMENT !== 0) {
      throw refused(`the region at 0x${guestAddress.toString(16)} is not aligned to ${ALIGNMENT} bytes`);
    }
  }
  for (const key of ['guestAddress', 'userAddress'] as const) {
    const sorted = regions.toSorted((a, b) => a[key] - b[key]);
    for (const [i, { [key]: start, size }] of sorted.entries()) {
      const next = sorted[i + 1];
      if (start + size > (next?.[key] ?? Number.MAX_SAFE_INTEGER)) {
        throw refused(`${size} bytes at 0x${start.toString(16)} reach into the next region, or past 2^53`);
      }
    }
  }
}

function asRefusal(error: unknown): Error {
  return refused(error instanceof Error ? error.message : String(error), { cause: error });
}
