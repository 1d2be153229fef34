import { MemoryBlock, type Segments } from '@skytale/virtio';

/** Stands where memory was that is forgotten. */
const noMemory = new MemoryBlock(new Uint8Array(0));

/**
 * Ranges of memory. To look whether others overlap with them takes time in proportion to their number, unless the others
 * lie before or behind all of them, as they do where a driver goes through its memory from one end to the other.
 */
export class RangeSet {
  /** Entries at and beyond it are stale: to cut the arrays would be to allocate them again for the next range. */
  #count = 0;
  readonly #memory: MemoryBlock[] = [];
  readonly #start: number[] = [];
  readonly #end: number[] = [];
  /** All ranges lie between these, in whatever memory. */
  #lowest = Infinity;
  #highest = 0;

  add({ count, memory, offset, length }: Segments): void {
    for (let i = 0; i < count; i++) {
      const start = offset[i]!;
      const end = start + length[i]!;
      const at = this.#count++;
      this.#memory[at] = memory[i]!;
      this.#start[at] = start;
      this.#end[at] = end;
      if (start < this.#lowest) this.#lowest = start;
      if (end > this.#highest) this.#highest = end;
    }
  }

  /** Whether a byte is in both. Memory is told apart by its arrays: two over the same bytes are not compared. */
  overlaps({ count, memory, offset, length }: Segments): boolean {
    for (let i = 0; i < count; i++) {
      const start = offset[i]!;
      const end = start + length[i]!;
      if (start >= this.#highest || end <= this.#lowest) continue;
      if (this.#meets(memory[i]!.bytes, start, end)) return true;
    }
    return false;
  }

  clear(): void {
    for (let i = 0; i < this.#count; i++) this.#memory[i] = noMemory;
    this.#count = 0;
    this.#lowest = Infinity;
    this.#highest = 0;
  }

  #meets(bytes: Uint8Array, start: number, end: number): boolean {
    const starts = this.#start;
    const ends = this.#end;
    for (let i = 0; i < this.#count; i++) {
      if (starts[i]! < end && start < ends[i]! && this.#memory[i]!.bytes === bytes) return true;
    }
    return false;
  }
}
