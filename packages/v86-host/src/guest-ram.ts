/**
 * The emulated guest's memory as its devices see it. Two things are the emulator's and nobody else's: its memory
 * moves to another ArrayBuffer when the emulator needs more for itself, and it has compiled some of the guest's
 * pages, which it must forget when a device writes to them.
 */
import { GuestMemory, type VirtioRequest } from '@skytale/virtio';
import type { Cpu } from './emulator.ts';

/** Between these addresses a PC has no memory but video cards and firmware. */
const HOLE_START = 0xa_0000;
const HOLE_END = 0x10_0000;

export class GuestRam {
  readonly memory: GuestMemory;
  readonly #cpu: Cpu;
  #buffer: ArrayBufferLike;

  constructor(cpu: Cpu) {
    this.#cpu = cpu;
    this.#buffer = cpu.wasm_memory.buffer;
    const part = (base: number, end: number) => ({ base, bytes: this.#bytesAt(base, end - base) });
    this.memory = new GuestMemory([part(0, HOLE_START), part(HOLE_END, cpu.mem8.length)]);
  }

  /** A device is about to get this request: it may write to the memory it names until it completes. */
  readonly lend = ({ writable }: VirtioRequest): void => {
    const { count, offset, length, memory } = writable;
    for (let i = 0; i < count; i++) {
      const start = this.memory.baseOf(memory[i]!) + offset[i]!;
      this.#cpu.jit_dirty_cache(start, start + length[i]!);
    }
  };

  /**
   * To be called after the emulator has run: if its memory has moved, the memory table is moved along, and with it
   * what devices have of it.
   * @returns whether it has moved, so that rings must be mapped anew
   */
  follow(): boolean {
    const { buffer } = this.#cpu.wasm_memory;
    if (buffer === this.#buffer) return false;
    this.#buffer = buffer;
    this.memory.move((base, length) => this.#bytesAt(base, length));
    return true;
  }

  #bytesAt(base: number, length: number): Uint8Array {
    const { wasm_memory, mem8 } = this.#cpu;
    return new Uint8Array(wasm_memory.buffer, mem8.byteOffset + base, length);
  }
}
