/**
 * Short copies out of a driver's memory. `Segments.copyTo` makes a view of each range, which costs more than
 * all the bytes of a header; a loop over bytes costs more than one over words.
 */
import type { Segments } from '@skytale/virtio';
import { type ShortBytes, wordIndex, wordsOf } from '../short-bytes.ts';

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
  const first = (at & 3) === 0 ? wordIndex(memory, offset) : -1;
  if (first >= 0) {
    const words = wordsOf(memory);
    const target = at / 4;
    const count = Math.floor(length / 4);
    for (let i = 0; i < count; i++) to.words[target + i] = words[first + i]!;
    done = 4 * count;
  }
  for (; done < length; done++) to.bytes[at + done] = memory[offset + done]!;
}
