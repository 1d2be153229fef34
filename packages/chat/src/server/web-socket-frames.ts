/** Longest header of a frame without its mask (RFC 6455, section 5.2). */
const HEADER_BYTES = 10;

/**
 * Counts the frames of a WebSocket of any kind, fragments and control frames too, in its bytes (RFC 6455, section 5.2), which come
 * in whatever pieces. It judges nothing: whoever reads them ends a WebSocket whose frames are wrong.
 */
export class FrameCount {
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #have = 0;
  /** Bytes of mask and payload that are still to come. */
  #rest = 0;

  /** The frames whose header ends in this piece. O(frames). */
  begunIn(piece: Uint8Array): number {
    let frames = 0;
    let at = 0;
    while (at < piece.length) {
      if (this.#rest > 0) {
        const passed = Math.min(this.#rest, piece.length - at);
        this.#rest -= passed;
        at += passed;
        continue;
      }
      this.#header[this.#have] = piece[at]!;
      this.#have += 1;
      at += 1;
      if (this.#have < this.#headerLength) continue;
      this.#rest = this.#payloadLength + (this.#header[1]! & 0x80 ? 4 : 0);
      this.#have = 0;
      frames += 1;
    }
    return frames;
  }

  get #headerLength(): number {
    if (this.#have < 2) return 2;
    const length = this.#header[1]! & 0x7f;
    return length === 127 ? 10 : length === 126 ? 4 : 2;
  }

  get #payloadLength(): number {
    const length = this.#header[1]! & 0x7f;
    if (length === 127) return Number(this.#header.readBigUInt64BE(2));
    return length === 126 ? this.#header.readUInt16BE(2) : length;
  }
}
