/**
 * A virtqueue whose chains are written once: 64 of them, each by an indirect table, made available in turn.
 * To submit is to count up, so a measured figure is the back end's and not the front end's; and back ends that
 * return chains in the order of the ring, whatever they took first, are served right.
 */
import type { EventFd, FrontMemory } from '@skytale/vhost-user';
import type { GuestRange, QueueLayout } from '@skytale/virtio';

export const ringSize = 64;
const tableEntries = 8;
const descriptorSize = 16;
const NEXT = 1;
const WRITE = 2;
const INDIRECT = 4;
/** Places in the available and the used ring, as 16-bit words: VIRTIO 1.3, 2.7.6 and 2.7.8. */
const index = 1;
const entries = 2;
const usedEvent = entries + ringSize;
const availableEvent = entries + ringSize * 4;

export type Chain = { readonly readable: readonly GuestRange[]; readonly writable: readonly GuestRange[] };

export class FixedRing {
  /** Bytes that a ring takes, with its indirect tables. */
  static readonly bytes = 0x4000;
  readonly layout: QueueLayout;
  readonly #view: DataView;
  readonly #available: Uint16Array;
  readonly #used: Uint16Array;
  readonly #base: number;
  #submitted = 0;
  #harvested = 0;

  /** Lays the ring out at `offset` of the memory. */
  constructor(memory: FrontMemory, offset: number) {
    const { base, bytes } = memory.guestRegion;
    const at = base + offset;
    this.#base = base;
    this.layout = {
      size: ringSize,
      descriptorTable: at,
      availableRing: at + 0x1000,
      usedRing: at + 0x1800,
    };
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const words = (address: number, count: number) =>
      new Uint16Array(bytes.buffer, bytes.byteOffset + address - base, count);
    this.#available = words(this.layout.availableRing, usedEvent + 1);
    this.#used = words(this.layout.usedRing, availableEvent + 1);
    for (let i = 0; i < ringSize; i++) this.#available[entries + i] = i;
    this.ignoreCalls();
  }

  /** Writes chain `i`, of at most 8 ranges; it must not be in flight. */
  place(i: number, { readable, writable }: Chain): void {
    const ranges = [...readable, ...writable];
    for (const [n, range] of ranges.entries()) {
      const isLast = n === ranges.length - 1;
      const flags = (n < readable.length ? 0 : WRITE) | (isLast ? 0 : NEXT);
      this.#describe(this.#table(i) + n * descriptorSize, range, flags, isLast ? 0 : n + 1);
    }
    const table = { address: this.#table(i), length: ranges.length * descriptorSize };
    this.#describe(this.layout.descriptorTable + i * descriptorSize, table, INDIRECT, 0);
  }

  get inFlight(): number {
    return (this.#submitted - this.#harvested) & 0xffff;
  }

  /** Makes the next `count` chains available, and notifies the device by `kick` if it wants that. */
  submit(count: number, kick?: EventFd): void {
    const before = this.#submitted;
    this.#submitted = (before + count) & 0xffff;
    Atomics.store(this.#available, index, this.#submitted);
    if (kick === undefined) return;
    // With EVENT_IDX: 2.7.10.1.
    const event = Atomics.load(this.#used, availableEvent);
    if (((this.#submitted - event - 1) & 0xffff) < count) kick.signal();
  }

  /** @returns how many chains came back since it was asked last */
  harvest(): number {
    const done = (Atomics.load(this.#used, index) - this.#harvested) & 0xffff;
    if (done === 0) return 0;
    if (done > this.inFlight) throw new Error(`the back end returned ${done} chains of ${this.inFlight}`);
    this.#harvested = (this.#harvested + done) & 0xffff;
    return done;
  }

  /** Asks to be called for the next chain that comes back (EVENT_IDX). */
  wantCall(): void {
    Atomics.store(this.#available, usedEvent, this.#harvested);
  }

  /** Asks not to be called: the index it names is as far away as can be, so this must be said again now and then. */
  ignoreCalls(): void {
    Atomics.store(this.#available, usedEvent, (this.#harvested + 0x8000) & 0xffff);
  }

  #table(i: number): number {
    return this.layout.descriptorTable + 0x2000 + i * tableEntries * descriptorSize;
  }

  #describe(at: number, { address, length }: GuestRange, flags: number, next: number): void {
    const offset = at - this.#base;
    this.#view.setBigUint64(offset, BigInt(address), true);
    this.#view.setUint32(offset + 8, length, true);
    this.#view.setUint16(offset + 12, flags, true);
    this.#view.setUint16(offset + 14, next, true);
  }
}
