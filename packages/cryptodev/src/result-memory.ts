/**
 * Memory for results. An ArrayBuffer of its own for each costs more than a short operation with everything
 * else, so short results share one, as Node's small Buffers do.
 */
import { markAsUntransferable } from 'node:worker_threads';
import type { Bytes } from './crypto-device.ts';

const slabLength = 64 * 1024;
/** Results up to this length share a piece of memory; longer ones have their own. */
const longestShared = 4096;

let slab = newSlab();
let used = 0;

/**
 * An array for a result, aligned to 8 bytes, for the caller to fill: what was there before is in it. A short one may share its
 * `buffer` with others.
 */
export function resultOf(length: number): Bytes {
  if (length > longestShared) return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
  if (used + length > slabLength) {
    slab = newSlab();
    used = 0;
  }
  const result = new Uint8Array(slab, used, length);
  used += Math.ceil(length / 8) * 8;
  return result;
}

/** Who transferred one result to another thread would take the others with it: it is copied instead. */
function newSlab(): ArrayBuffer {
  const buffer = new ArrayBuffer(slabLength);
  markAsUntransferable(buffer);
  return buffer;
}
