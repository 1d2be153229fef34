import { LENGTH_BYTES, readU32 } from '../protocol/frames.ts';
import { LogError } from './log-error.ts';

/**
 * What is left of a run of frames after its first `count`.
 * @throws {LogError} LOG_CORRUPT if there are not that many
 */
export function skipFrames(frames: Uint8Array, count: number): Uint8Array {
  let at = 0;
  for (let skipped = 0; skipped < count; skipped += 1) {
    if (at + LENGTH_BYTES > frames.length) throw tooFew(count, frames);
    at += LENGTH_BYTES + readU32(frames, at);
  }
  if (at > frames.length) throw tooFew(count, frames);
  return frames.subarray(at);
}

function tooFew(count: number, frames: Uint8Array): LogError {
  return new LogError(
    'LOG_CORRUPT',
    `A stored batch of ${frames.length} bytes has fewer than ${count} messages.`,
  );
}

/**
 * The frames at the begin of a run that fit into `most` bytes, as a view; with `atLeastOne` the first one also where it is longer.
 * @throws {LogError} LOG_CORRUPT if the run ends within a frame
 */
export function cutFrames(
  frames: Uint8Array,
  atLeastOne: boolean,
  most: number,
): { readonly frames: Uint8Array; readonly count: number } {
  let at = 0;
  let count = 0;
  while (at < frames.length) {
    const end = at + LENGTH_BYTES <= frames.length ? at + LENGTH_BYTES + readU32(frames, at) : Infinity;
    if (end > frames.length) throw tooFew(count + 1, frames);
    if (end > most && !(atLeastOne && count === 0)) break;
    at = end;
    count += 1;
  }
  return { frames: frames.subarray(0, at), count };
}
