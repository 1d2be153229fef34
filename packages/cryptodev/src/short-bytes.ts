/**
 * Headers as words: in memory of one's own, and in a driver's memory without a view for each, which would cost
 * more than all the rest of a short request.
 */
const wordLength = 4;

/** The words of the memory met last: a driver has one or few. */
let lastMemory: Uint8Array = new Uint8Array(0);
let lastWords = new Uint32Array(0) as Uint32Array;

/** Memory of one's own for a header, an IV or keys. */
export class ShortBytes {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
  readonly words: Uint32Array<ArrayBuffer>;

  /** @param length in bytes, a multiple of 4 */
  constructor(length: number) {
    // Outside of V8's heap, whose collector leaves copies behind.
    const buffer = new ArrayBuffer(length);
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
    this.words = new Uint32Array(buffer);
  }
}

/** Which of the `wordsOf` a memory begins at `offset`; -1 if none does. */
export function wordIndex(memory: Uint8Array, offset: number): number {
  // Not by shifts: guest memory has more than 2^31 bytes.
  return (memory.byteOffset | offset) % wordLength === 0 ? offset / wordLength : -1;
}

/** All of a memory that begins with a word, as words. */
export function wordsOf(memory: Uint8Array): Uint32Array {
  if (memory === lastMemory) return lastWords;
  const { buffer, byteOffset, length } = memory;
  lastWords = new Uint32Array(buffer, byteOffset, Math.floor(length / wordLength));
  lastMemory = memory;
  return lastWords;
}
