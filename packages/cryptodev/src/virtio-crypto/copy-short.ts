/**
 * Short copies out of a driver's memory. `Segments.copyTo` makes a view of each range, which costs more than
 * all the bytes of a header; a loop over bytes costs more than one over words.
 */
import type { Segments } from '@skytale/virtio';

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

/** Copies the `length` bytes of `from` at `start` into `to` at `at`. The caller has checked that both have them. */
export function copyShort(from: Segments, start: number, length: number, to: ShortBytes, at = 0): void {
  let skip = start;
  for (let i = 0, done = 0; done < length; i++) {
    const available = from.length[i]! - skip;
    if (available <= 0) {
      skip = -available;
      continue;
    }
    const take = Math.min(available, length - done);
    copyRange(from.memory[i]!.bytes, from.offset[i]! + skip, take, to, at + done);
    done += take;
    skip = 0;
  }
}

function copyRange(memory: Uint8Array, offset: number, length: number, to: ShortBytes, at: number): void {
  let done = 0;
  if (((memory.byteOffset | offset | at) & 3) === 0) {
    const words = wordsOf(memory);
    // Not by shifts: guest memory has more than 2^31 bytes.
    const first = offset / 4;
    const target = at / 4;
    const count = Math.floor(length / 4);
    for (let i = 0; i < count; i++) to.words[target + i] = words[first + i]!;
    done = 4 * count;
  }
  for (; done < length; done++) to.bytes[at + done] = memory[offset + done]!;
}

/** The memory met last, and its words: a driver has one or few. */
let lastMemory = new Uint8Array(0) as Uint8Array;
let lastWords = new Uint32Array(0) as Uint32Array;

function wordsOf(memory: Uint8Array): Uint32Array {
  if (memory === lastMemory) return lastWords;
  lastWords = new Uint32Array(memory.buffer, memory.byteOffset, Math.floor(memory.length / 4));
  lastMemory = memory;
  return lastWords;
}
