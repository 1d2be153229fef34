import {
  DEFAULT_MAX_FRAME,
  type Frame,
  LENGTH_BYTES,
  LONGEST_OPENING_FRAME,
  MAX_MAX_FRAME,
  parseFrame,
  readU32,
} from './frames.ts';
import { ProtocolError } from './protocol-error.ts';

/** Memory for the first bytes of a frame that has not all come; it grows as they do, not as its length says. */
const FIRST_PARTIAL = 4096;
const nothing: Uint8Array = new Uint8Array(0);

/**
 * Cuts a byte stream, in whatever pieces it comes, into frames.
 *
 * - Pull: `push` a piece, then call `next` until it gives `undefined`. One may stop in between, and go on later.
 * - A frame that lies whole in one piece is not copied: its fields are views of the piece, so a piece must
 *   not be changed after it was pushed. Only a frame that is cut is put together, in memory of its own.
 * - It holds at most one piece and one unfinished frame, in at most twice the memory of what was received of it.
 * - After an error the stream cannot be read on: every `next` throws that error again.
 */
export class FrameDecoder {
  #maxFrame = DEFAULT_MAX_FRAME;
  #piece = nothing;
  #at = 0;
  /** The frame that has not all come, from its length on; `#have` bytes of it are there. */
  #partial = nothing;
  #have = 0;
  #failure: ProtocolError | undefined;
  #readBytes = 0;

  constructor(maxFrame = DEFAULT_MAX_FRAME) {
    this.maxFrame = maxFrame;
  }

  /** Longest frame (type and body) that is accepted, in bytes. */
  get maxFrame(): number {
    return this.#maxFrame;
  }

  set maxFrame(bytes: number) {
    if (!(Number.isInteger(bytes) && bytes >= LONGEST_OPENING_FRAME && bytes <= MAX_MAX_FRAME)) {
      throw new RangeError(
        `a maximum frame of ${bytes} bytes is not in ${LONGEST_OPENING_FRAME}..${MAX_MAX_FRAME}`,
      );
    }
    this.#maxFrame = bytes;
  }

  /** Bytes of a frame that has begun and not ended; 0 between frames. Counts after `next` gave `undefined`. */
  get unfinishedBytes(): number {
    return this.#have;
  }

  /** Bytes of all frames that were given, with their lengths. */
  get readBytes(): number {
    return this.#readBytes;
  }

  /**
   * Hands over the next piece of the stream.
   * @throws {RangeError} if the piece before it was not read to its end
   */
  push(piece: Uint8Array): void {
    if (this.#at < this.#piece.length && this.#failure === undefined) {
      throw new RangeError('the piece before this one is not yet read to its end');
    }
    this.#piece = piece;
    this.#at = 0;
  }

  /**
   * The next frame, or `undefined` when the rest has not come yet.
   * @throws {ProtocolError} MALFORMED_FRAME or FRAME_TOO_LARGE
   */
  next(): Frame | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      return this.#have > 0 ? this.#nextFromPartial() : this.#nextFromPiece();
    } catch (error) {
      if (error instanceof ProtocolError) this.#fail(error);
      throw error;
    }
  }

  #nextFromPiece(): Frame | undefined {
    const left = this.#piece.length - this.#at;
    if (left >= LENGTH_BYTES) {
      const length = this.#checkedLength(this.#piece, this.#at);
      const start = this.#at + LENGTH_BYTES;
      if (left - LENGTH_BYTES >= length) {
        this.#at = start + length;
        this.#readBytes += LENGTH_BYTES + length;
        return parseFrame(this.#piece, start, start + length);
      }
    }
    this.#collect(left);
    this.#release();
    return undefined;
  }

  #nextFromPartial(): Frame | undefined {
    if (this.#have < LENGTH_BYTES) this.#collect(LENGTH_BYTES - this.#have);
    if (this.#have < LENGTH_BYTES) return this.#release();
    const end = LENGTH_BYTES + this.#checkedLength(this.#partial, 0);
    this.#collect(end - this.#have);
    if (this.#have < end) return this.#release();
    // The frame's fields are views of this memory, so it is given away, not used again.
    const whole = this.#partial;
    this.#partial = nothing;
    this.#have = 0;
    this.#readBytes += end;
    return parseFrame(whole, LENGTH_BYTES, end);
  }

  #checkedLength(bytes: Uint8Array, at: number): number {
    const length = readU32(bytes, at);
    if (length === 0) throw new ProtocolError('MALFORMED_FRAME', 'A frame is empty.');
    if (length > this.#maxFrame) {
      throw new ProtocolError(
        'FRAME_TOO_LARGE',
        `A frame of ${length} bytes is too large: ${this.#maxFrame} are allowed.`,
      );
    }
    return length;
  }

  /** Moves up to `count` bytes of the piece to the unfinished frame. */
  #collect(count: number): void {
    const taken = Math.min(count, this.#piece.length - this.#at);
    const have = this.#have + taken;
    if (have > this.#partial.length) {
      const longest = LENGTH_BYTES + this.#maxFrame;
      const larger = new Uint8Array(Math.min(longest, Math.max(FIRST_PARTIAL, 2 * have)));
      larger.set(this.#partial.subarray(0, this.#have));
      this.#partial = larger;
    }
    this.#partial.set(this.#piece.subarray(this.#at, this.#at + taken), this.#have);
    this.#at += taken;
    this.#have = have;
  }

  /** Lets go of a piece that was read to its end. */
  #release(): undefined {
    this.#piece = nothing;
    this.#at = 0;
  }

  #fail(error: ProtocolError): void {
    this.#failure = error;
    this.#release();
    this.#partial = nothing;
    this.#have = 0;
  }
}
