import type { Segments } from '@skytale/virtio';

/**
 * Copies the `length` bytes of `from` at `start` to the beginning of `to`: for lengths for which views, as
 * `Segments.copyTo` makes them, cost more than the bytes.
 */
export function copyShort(from: Segments, start: number, length: number, to: Uint8Array): void {
  let skip = start;
  for (let i = 0, done = 0; done < length; i++) {
    const available = from.length[i]! - skip;
    if (available <= 0) {
      skip = -available;
      continue;
    }
    const memory = from.memory[i]!;
    const offset = from.offset[i]! + skip;
    const take = Math.min(available, length - done);
    for (let j = 0; j < take; j++) to[done + j] = memory[offset + j]!;
    done += take;
    skip = 0;
  }
}
