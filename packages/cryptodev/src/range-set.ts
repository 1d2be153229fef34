import type { Segments } from '@skytale/virtio';

/** Ranges of memory. To look whether others overlap with them takes time in proportion to their number. */
export class RangeSet {
  readonly #memory: Uint8Array[] = [];
  readonly #start: number[] = [];
  readonly #end: number[] = [];

  add({ count, memory, offset, length }: Segments): void {
    for (let i = 0; i < count; i++) {
      this.#memory.push(memory[i]!.bytes);
      this.#start.push(offset[i]!);
      this.#end.push(offset[i]! + length[i]!);
    }
  }

  /** Whether a byte is in both. Memory is told apart by its arrays: two over the same bytes are not compared. */
  overlaps({ count, memory, offset, length }: Segments): boolean {
    for (let i = 0; i < count; i++) {
      const { bytes } = memory[i]!;
      const start = offset[i]!;
      const end = start + length[i]!;
      for (let j = 0; j < this.#start.length; j++) {
        if (this.#start[j]! < end && start < this.#end[j]! && this.#memory[j] === bytes) return true;
      }
    }
    return false;
  }

  clear(): void {
    this.#memory.length = 0;
    this.#start.length = 0;
    this.#end.length = 0;
  }
}
