import type { Segments } from '@skytale/virtio';

/** Copies all of `source` to the start of `destination`; nothing is done where they are the same memory. */
export function copySegments(source: Segments, destination: Segments): void {
  if (sameRanges(source, destination)) return;
  let position = 0;
  for (let i = 0; i < source.count; i++) {
    const length = source.length[i]!;
    destination.copyFrom(position, length, source.memory[i]!.bytes, source.offset[i]!);
    position += length;
  }
}

/** Whether `destination` starts with exactly the ranges of `source`. */
function sameRanges(source: Segments, destination: Segments): boolean {
  const last = source.count - 1;
  if (destination.count <= last) return false;
  for (let i = 0; i <= last; i++) {
    const same =
      source.memory[i]?.bytes === destination.memory[i]?.bytes && source.offset[i] === destination.offset[i];
    const long =
      i < last ? source.length[i] === destination.length[i] : source.length[i]! <= destination.length[i]!;
    if (!same || !long) return false;
  }
  return true;
}
