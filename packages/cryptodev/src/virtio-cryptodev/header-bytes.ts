/**
 * A header in memory of one's own, and short copies from and to a driver's memory. `Uint8Array.set` wants a
 * view of the range, which costs more than the copy itself; a loop over bytes costs more than one over words.
 */
const wordLength = 4;

/** The words of the memory met last: a driver has one or few. */
let lastMemory: Uint8Array = new Uint8Array(0);
let lastWords = new Uint32Array(0) as Uint32Array;

export class HeaderBytes {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
  readonly #words: Uint32Array<ArrayBuffer>;

  /** @param length in bytes, a multiple of 4 */
  constructor(length: number) {
    this.bytes = new Uint8Array(length);
    this.view = new DataView(this.bytes.buffer);
    this.#words = new Uint32Array(this.bytes.buffer);
  }

  /** Copies as many bytes as there are from `memory` at `offset`. */
  copyFrom(memory: Uint8Array, offset: number): void {
    const own = this.#words;
    const first = wordIndex(memory, offset);
    if (first >= 0) {
      const words = wordsOf(memory);
      for (let i = 0; i < own.length; i++) own[i] = words[first + i]!;
    } else {
      const { bytes } = this;
      for (let i = 0; i < bytes.length; i++) bytes[i] = memory[offset + i]!;
    }
  }

  /** Copies all bytes to `memory` at `offset`. */
  copyTo(memory: Uint8Array, offset: number): void {
    const own = this.#words;
    const first = wordIndex(memory, offset);
    if (first >= 0) {
      const words = wordsOf(memory);
      for (let i = 0; i < own.length; i++) words[first + i] = own[i]!;
    } else {
      const { bytes } = this;
      for (let i = 0; i < bytes.length; i++) memory[offset + i] = bytes[i]!;
    }
  }
}

/** Number of the word at `offset`; -1 if it is not aligned. */
function wordIndex(memory: Uint8Array, offset: number): number {
  return (memory.byteOffset | offset) % wordLength === 0 ? offset / wordLength : -1;
}

function wordsOf(memory: Uint8Array): Uint32Array {
  if (memory === lastMemory) return lastWords;
  const { buffer, byteOffset, length } = memory;
  lastWords = new Uint32Array(buffer, byteOffset, Math.floor(length / wordLength));
  lastMemory = memory;
  return lastWords;
}
