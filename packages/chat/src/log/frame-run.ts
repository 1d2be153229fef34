/** DELIVER frames one behind the other, as they are stored: cut between messages, and read. Costs O(messages). */
import { type Frame, LENGTH_BYTES, parseFrame, readU32 } from '../protocol/frames.ts';
import { ProtocolError } from '../protocol/protocol-error.ts';

export type Deliver = Extract<Frame, { type: 'deliver' }>;

/**
 * A view of what is left of a run of frames after its first `skip`: all of it, or as many as `maxBytes` hold, but one
 * at the least. `undefined` if it is no run of whole frames, or has not more than `skip`.
 */
export function cutRun(
  frames: Uint8Array,
  skip: number,
  maxBytes: number,
): { readonly frames: Uint8Array; readonly count: number } | undefined {
  let at = 0;
  for (let skipped = 0; skipped < skip; skipped += 1) {
    at = frameEnd(frames, at);
    if (at < 0) return undefined;
  }
  const start = at;
  let count = 0;
  while (at < frames.length) {
    const end = frameEnd(frames, at);
    if (end < 0) return undefined;
    if (count > 0 && end - start > maxBytes) break;
    at = end;
    count += 1;
  }
  return count === 0 ? undefined : { frames: frames.subarray(start, at), count };
}

/**
 * The messages of a run, each a view of it.
 * @throws {ProtocolError} MALFORMED_FRAME if one is no DELIVER
 */
export function* messagesOf(frames: Uint8Array): Generator<Deliver> {
  for (let at = 0; at < frames.length; ) {
    const end = frameEnd(frames, at);
    const frame = parseFrame(frames, at + LENGTH_BYTES, Math.max(end, at + LENGTH_BYTES));
    if (frame.type !== 'deliver') throw new ProtocolError('MALFORMED_FRAME', 'A stored frame is no DELIVER.');
    yield frame;
    at = end;
  }
}

/** Where the frame that begins at `at` ends; -1 if that is behind the end of the run. */
function frameEnd(frames: Uint8Array, at: number): number {
  if (at + LENGTH_BYTES > frames.length) return -1;
  const end = at + LENGTH_BYTES + readU32(frames, at);
  return end > frames.length ? -1 : end;
}
