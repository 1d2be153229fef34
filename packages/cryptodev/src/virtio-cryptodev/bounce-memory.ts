/**
 * The driver's share of the memory it has in common with the device: a block for each request. Who finds
 * none free waits, in the order of the calls.
 */
import type { MemoryAllocator } from '@skytale/virtio';

export class BounceMemory {
  /** All of it. */
  readonly bytes: Uint8Array;
  /** Address, for the device, of the first byte of `bytes`. */
  readonly base: number;
  readonly #allocator: MemoryAllocator;
  /** Those who wait, the first of them perhaps woken but not yet served. */
  readonly #waiting: { readonly wake: () => void; readonly refuse: (reason: unknown) => void }[] = [];

  constructor(allocator: MemoryAllocator) {
    this.#allocator = allocator;
    this.bytes = allocator.region.bytes;
    this.base = allocator.region.base;
  }

  /**
   * A block of at least `length` bytes, if there is one and nobody is before.
   * @returns its offset in `bytes`; undefined if the caller must wait
   * @throws {VirtioError} VIRTIO_OUT_OF_MEMORY if there never can be
   */
  take(length: number): number | undefined {
    return this.#waiting.length > 0 ? undefined : this.#reserve(length);
  }

  /** Like `take`, when there is one. */
  async wait(length: number): Promise<number> {
    let turn = Promise.withResolvers<void>();
    const waiter = { wake: () => turn.resolve(), refuse: (reason: unknown) => turn.reject(reason) };
    this.#waiting.push(waiter);
    try {
      for (;;) {
        const offset = this.#waiting[0] === waiter ? this.#reserve(length) : undefined;
        if (offset !== undefined) return offset;
        await turn.promise;
        turn = Promise.withResolvers();
      }
    } finally {
      this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
      this.#waiting[0]?.wake();
    }
  }

  /** Gives a block back; the first `wipe` bytes of it are overwritten with zeros. */
  give(offset: number, wipe = 0): void {
    this.#allocator.release(this.base + offset, wipe);
    this.#waiting[0]?.wake();
  }

  /** There will be no more blocks: the device failed. */
  refuse(reason: unknown): void {
    for (const waiter of [...this.#waiting]) waiter.refuse(reason);
  }

  #reserve(length: number): number | undefined {
    const address = this.#allocator.reserve(length);
    return address === undefined ? undefined : address - this.base;
  }
}
