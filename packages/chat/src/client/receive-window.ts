import { FIRST_WINDOW, LENGTH_BYTES } from '../protocol/frames.ts';

/** What a server may send ahead of what was read, at the least, in bytes; and at the least so many frames of the longest. */
const LEAST_BYTES = FIRST_WINDOW;
const LEAST_FRAMES = 2;
/**
 * What is read before more is granted, in bytes: a server gives up a connection that does not take so much in its write time-out, and of what a
 * slow one still has in its own buffers it sees nothing.
 */
const GRANT_BYTES = 64 * 1024;

/**
 * How much the server may send to a connection that cannot make it wait. All counts are bytes of the stream: since it began as they are
 * handed in, since the window began as they are granted.
 *
 * 1. The limit only grows, and is never closer to what was read than the longest frame is long, or that would never come.
 * 2. It is told when so much was read that servers ask for (`GRANT_BYTES`), not with each frame.
 */
export class ReceiveWindow {
  readonly #start: number;
  readonly #size: number;
  #limit = FIRST_WINDOW;

  /** @param start what was read when it began */
  constructor(start: number, maxFrame: number) {
    this.#start = start;
    this.#size = Math.max(LEAST_BYTES, LEAST_FRAMES * (LENGTH_BYTES + maxFrame));
  }

  /** The limit that is to be told, if one is. @param read so far */
  toGrant(read: number): number | undefined {
    const limit = read - this.#start + this.#size;
    if (limit - this.#limit < GRANT_BYTES) return undefined;
    this.#limit = limit;
    return this.#limit;
  }
}
