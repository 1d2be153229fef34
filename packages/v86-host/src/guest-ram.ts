/**
 * The emulated guest's memory as its devices see it. Two things are the emulator's and nobody else's: its memory
 * moves to another ArrayBuffer when the emulator needs more for itself, and it has compiled some of the guest's
 * pages, which it must forget when a device writes to them.
 */
import { GuestMemory, type GuestRegion, type Segments, type VirtioRequest } from '@skytale/virtio';
import type { Cpu } from './emulator.ts';

/** Between these addresses a PC has no memory but video cards and firmware. */
const HOLE_START = 0xa_0000;
const HOLE_END = 0x10_0000;

/** How many requests are remembered before those that have completed are looked for. */
const LENT_MAX = 4096;

export class GuestRam {
  readonly memory: GuestMemory;
  readonly #cpu: Cpu;
  #buffer: ArrayBufferLike;
  #regions: readonly GuestRegion[];
  /** Requests that devices may have in hand, and some that have completed. */
  readonly #lent = new Set<VirtioRequest>();

  constructor(cpu: Cpu) {
    this.#cpu = cpu;
    this.#buffer = cpu.wasm_memory.buffer;
    this.#regions = regionsIn(cpu);
    this.memory = new GuestMemory(this.#regions);
  }

  /** A device is about to get this request: it may write to the memory it names until it completes. */
  readonly lend = (request: VirtioRequest): void => {
    const { count, offset, length, memory } = request.writable;
    for (let i = 0; i < count; i++) {
      const start = this.#baseOf(memory[i]) + offset[i]!;
      this.#cpu.jit_dirty_cache(start, start + length[i]!);
    }
    if (this.#lent.size >= LENT_MAX)
      for (const known of this.#lent) if (isReturned(known)) this.#lent.delete(known);
    this.#lent.add(request);
  };

  /**
   * To be called after the emulator has run: if its memory has moved, the memory table and the requests under way
   * are moved along.
   * @returns whether it has moved, so that rings must be mapped anew
   */
  follow(): boolean {
    const { buffer } = this.#cpu.wasm_memory;
    if (buffer === this.#buffer) return false;
    const before = this.#regions;
    this.#buffer = buffer;
    this.#regions = regionsIn(this.#cpu);
    this.memory.replace(this.#regions);
    for (const { readable, writable } of this.#lent) {
      this.#move(readable, before);
      this.#move(writable, before);
    }
    return true;
  }

  #baseOf(bytes: Uint8Array | undefined): number {
    return this.#regions.find((region) => region.bytes === bytes)?.base ?? 0;
  }

  #move({ count, memory }: Segments, before: readonly GuestRegion[]): void {
    for (let i = 0; i < count; i++) {
      const moved = this.#regions[before.findIndex(({ bytes }) => bytes === memory[i])];
      if (moved !== undefined) memory[i] = moved.bytes;
    }
  }
}

const isReturned = ({ readable, writable }: VirtioRequest) => readable.count + writable.count === 0;

function regionsIn({ wasm_memory, mem8 }: Cpu): GuestRegion[] {
  const part = (base: number, end: number) => ({
    base,
    bytes: new Uint8Array(wasm_memory.buffer, mem8.byteOffset + base, end - base),
  });
  return [part(0, HOLE_START), part(HOLE_END, mem8.length)];
}
