/** A driver for tests that writes whatever it is told into a queue, sound or not. */
import type { QueueLayout } from '../split-ring.ts';

export const NEXT = 1;
export const WRITE = 2;
export const INDIRECT = 4;

export interface RawDescriptor {
  readonly address: number | bigint;
  readonly length: number;
  readonly flags?: number;
  readonly next?: number;
}

/** Guest-physical: rings in the first pages, from DATA on memory for buffers up to END. */
export const BASE = 0x10000;
export const DATA = BASE + 0x8000;
export const END = BASE + 0x10000;

export class RawDriver {
  readonly layout: QueueLayout;
  readonly region: { readonly base: number; readonly bytes: Uint8Array };
  readonly #view: DataView;
  #availableIndex: number;

  constructor(size = 8, availableIndex = 0) {
    this.region = { base: BASE, bytes: new Uint8Array(END - BASE) };
    this.layout = { size, descriptorTable: BASE, availableRing: BASE + 0x4000, usedRing: BASE + 0x6000 };
    this.#view = new DataView(this.region.bytes.buffer);
    this.#availableIndex = availableIndex;
    this.availableIndex = availableIndex;
    this.#view.setUint16(this.layout.usedRing - BASE + 2, availableIndex, true);
  }

  /** Writes a descriptor of the queue, or of a table elsewhere. */
  descriptor(index: number, { address, length, flags = 0, next = 0 }: RawDescriptor, table = BASE): void {
    const at = table - BASE + 16 * index;
    this.#view.setBigUint64(at, BigInt(address), true);
    this.#view.setUint32(at + 8, length, true);
    this.#view.setUint16(at + 12, flags, true);
    this.#view.setUint16(at + 14, next, true);
  }

  /** Writes heads into the available ring and moves its index. */
  offer(...heads: number[]): void {
    for (const head of heads) {
      const slot = this.#availableIndex % this.layout.size;
      this.#view.setUint16(this.layout.availableRing - BASE + 4 + 2 * slot, head, true);
      this.availableIndex = this.#availableIndex + 1;
    }
  }

  set availableIndex(index: number) {
    this.#availableIndex = index & 0xffff;
    this.#view.setUint16(this.layout.availableRing - BASE + 2, this.#availableIndex, true);
  }

  set availableFlags(flags: number) {
    this.#view.setUint16(this.layout.availableRing - BASE, flags, true);
  }

  set usedEvent(index: number) {
    this.#view.setUint16(this.layout.availableRing - BASE + 4 + 2 * this.layout.size, index, true);
  }

  get usedIndex(): number {
    return this.#view.getUint16(this.layout.usedRing - BASE + 2, true);
  }

  get usedFlags(): number {
    return this.#view.getUint16(this.layout.usedRing - BASE, true);
  }

  get availableEvent(): number {
    return this.#view.getUint16(this.layout.usedRing - BASE + 4 + 8 * this.layout.size, true);
  }

  /** The entry at `slot` of the used ring: id and length. */
  used(slot: number): [id: number, length: number] {
    const at = this.layout.usedRing - BASE + 4 + 8 * slot;
    return [this.#view.getUint32(at, true), this.#view.getUint32(at + 4, true)];
  }
}

export interface Violation {
  readonly name: string;
  readonly code: string;
  readonly commit: (driver: RawDriver) => void;
}

const TABLE = DATA + 0x1000;

/** Everything a hostile driver can do to a queue of 8 with indirect descriptors. */
export const VIOLATIONS: readonly Violation[] = [
  {
    name: 'a chain that loops',
    code: 'VIRTQUEUE_CHAIN_TOO_LONG',
    commit(driver) {
      driver.descriptor(0, { address: DATA, length: 4, flags: NEXT, next: 1 });
      driver.descriptor(1, { address: DATA, length: 4, flags: NEXT, next: 0 });
      driver.offer(0);
    },
  },
  {
    name: 'a descriptor that is its own next',
    code: 'VIRTQUEUE_CHAIN_TOO_LONG',
    commit(driver) {
      driver.descriptor(0, { address: DATA, length: 4, flags: NEXT | WRITE, next: 0 });
      driver.offer(0);
    },
  },
  {
    name: 'an indirect table that loops',
    code: 'VIRTQUEUE_CHAIN_TOO_LONG',
    commit(driver) {
      driver.descriptor(0, { address: TABLE, length: 32, flags: INDIRECT });
      driver.descriptor(0, { address: DATA, length: 4, flags: NEXT, next: 1 }, TABLE);
      driver.descriptor(1, { address: DATA, length: 4, flags: NEXT, next: 0 }, TABLE);
      driver.offer(0);
    },
  },
  {
    name: 'an indirect chain longer than the queue',
    code: 'VIRTQUEUE_CHAIN_TOO_LONG',
    commit(driver) {
      driver.descriptor(0, { address: TABLE, length: 9 * 16, flags: INDIRECT });
      for (let i = 0; i < 9; i++) {
        driver.descriptor(i, { address: DATA, length: 4, flags: i < 8 ? NEXT : 0, next: i + 1 }, TABLE);
      }
      driver.offer(0);
    },
  },
  {
    name: 'an available index that jumps by more than the queue size',
    code: 'VIRTQUEUE_AVAILABLE_JUMP',
    commit(driver) {
      driver.availableIndex = 9;
    },
  },
  {
    name: 'an available index that goes back',
    code: 'VIRTQUEUE_AVAILABLE_JUMP',
    commit(driver) {
      driver.availableIndex = -1;
    },
  },
  {
    name: 'a head out of range',
    code: 'VIRTQUEUE_DESCRIPTOR_INDEX',
    commit: (driver) => driver.offer(8),
  },
  {
    name: 'a next out of range',
    code: 'VIRTQUEUE_DESCRIPTOR_INDEX',
    commit(driver) {
      driver.descriptor(0, { address: DATA, length: 4, flags: NEXT, next: 8 });
      driver.offer(0);
    },
  },
  {
    name: 'a next outside of an indirect table',
    code: 'VIRTQUEUE_DESCRIPTOR_INDEX',
    commit(driver) {
      driver.descriptor(0, { address: TABLE, length: 16, flags: INDIRECT });
      driver.descriptor(0, { address: DATA, length: 4, flags: NEXT, next: 1 }, TABLE);
      driver.offer(0);
    },
  },
  ...(
    [
      ['an address below the memory', BASE - 4, 4],
      ['an address behind the memory', END, 4],
      ['a range across the end of the memory', END - 4, 8],
      ['a length that reaches far beyond the memory', DATA, 2 ** 32 - 16],
      ['an address that wraps with its length', 2n ** 64n - 16n, 32],
      ['an address whose upper half alone is outside', 2n ** 32n + BigInt(DATA), 4],
    ] as const
  ).map(([name, address, length]) => ({
    name,
    code: 'VIRTQUEUE_OUTSIDE_MEMORY',
    commit(driver: RawDriver) {
      driver.descriptor(0, { address, length });
      driver.offer(0);
    },
  })),
  {
    name: 'an indirect table outside of the memory',
    code: 'VIRTQUEUE_OUTSIDE_MEMORY',
    commit(driver) {
      driver.descriptor(0, { address: END - 16, length: 32, flags: INDIRECT });
      driver.offer(0);
    },
  },
  {
    name: 'an empty descriptor',
    code: 'VIRTQUEUE_EMPTY_DESCRIPTOR',
    commit(driver) {
      driver.descriptor(0, { address: DATA, length: 0 });
      driver.offer(0);
    },
  },
  {
    name: 'a readable descriptor after a writable one',
    code: 'VIRTQUEUE_WRITABLE_BEFORE_READABLE',
    commit(driver) {
      driver.descriptor(0, { address: DATA, length: 4, flags: WRITE | NEXT, next: 1 });
      driver.descriptor(1, { address: DATA, length: 4 });
      driver.offer(0);
    },
  },
  {
    name: 'the same in an indirect table behind a direct descriptor',
    code: 'VIRTQUEUE_WRITABLE_BEFORE_READABLE',
    commit(driver) {
      driver.descriptor(0, { address: DATA, length: 4, flags: WRITE | NEXT, next: 1 });
      driver.descriptor(1, { address: TABLE, length: 16, flags: INDIRECT });
      driver.descriptor(0, { address: DATA, length: 4 }, TABLE);
      driver.offer(0);
    },
  },
  {
    name: 'an indirect descriptor in an indirect table',
    code: 'VIRTQUEUE_INDIRECT_NESTED',
    commit(driver) {
      driver.descriptor(0, { address: TABLE, length: 16, flags: INDIRECT });
      driver.descriptor(0, { address: TABLE, length: 16, flags: INDIRECT }, TABLE);
      driver.offer(0);
    },
  },
  {
    name: 'an indirect descriptor with a next',
    code: 'VIRTQUEUE_INDIRECT_WITH_NEXT',
    commit(driver) {
      driver.descriptor(0, { address: TABLE, length: 16, flags: INDIRECT | NEXT, next: 1 });
      driver.offer(0);
    },
  },
  ...[0, 8, 24, 0x10_0010, 2 ** 32 - 16].map((length) => ({
    name: `an indirect table of ${length} bytes`,
    code: 'VIRTQUEUE_INDIRECT_LENGTH',
    commit(driver: RawDriver) {
      driver.descriptor(0, { address: TABLE, length, flags: INDIRECT });
      driver.offer(0);
    },
  })),
  {
    name: 'a head that is offered again while it is in flight',
    code: 'VIRTQUEUE_HEAD_IN_FLIGHT',
    commit(driver) {
      driver.descriptor(0, { address: DATA, length: 4 });
      driver.offer(0, 0);
    },
  },
];
