/** Walking two lists of segments side by side, in the longest steps in which both are contiguous. */
import type { Segments } from '@skytale/virtio';
import { CryptoError } from '../crypto-error.ts';

/** A place in a list of segments. */
export class Cursor {
  #segments: Segments;
  #index = 0;
  /** Bytes of the present segment that lie behind. */
  #behind = 0;

  constructor(segments: Segments) {
    this.#segments = segments;
  }

  get memory(): Uint8Array {
    return this.#segments.memory[this.#index]!.bytes;
  }

  get offset(): number {
    return this.#segments.offset[this.#index]! + this.#behind;
  }

  /** Bytes from here on that lie in one piece; 0 at the end. */
  get contiguous(): number {
    return this.#index < this.#segments.count ? this.#segments.length[this.#index]! - this.#behind : 0;
  }

  /** Goes on by `length`, which must not be more than `contiguous`. */
  advance(length: number): void {
    this.#behind += length;
    if (this.#behind < this.#segments.length[this.#index]!) return;
    this.#index += 1;
    this.#behind = 0;
  }

  /** Copies the next `target.length` bytes out, and goes on behind them. */
  read(target: Uint8Array): void {
    for (let done = 0; done < target.length; ) {
      const take = Math.min(this.contiguous, target.length - done);
      const offset = this.offset;
      target.set(this.memory.subarray(offset, offset + take), done);
      done += take;
      this.advance(take);
    }
  }

  /** Copies `source` over the next bytes, and goes on behind them. */
  write(source: Uint8Array): void {
    for (let done = 0; done < source.length; ) {
      const take = Math.min(this.contiguous, source.length - done);
      this.memory.set(source.subarray(done, done + take), this.offset);
      done += take;
      this.advance(take);
    }
  }
}

/**
 * What native code writes as far as it reads relies on this, so it is checked here and not only by callers.
 * @throws {CryptoError} CRYPTO_INVALID_DATA_LENGTH
 */
export function assertSameLength(source: Segments, destination: Segments): void {
  if (source.byteLength === destination.byteLength) return;
  throw new CryptoError(
    'CRYPTO_INVALID_DATA_LENGTH',
    `${source.byteLength} bytes to transform, and room for ${destination.byteLength}`,
  );
}

/** The bytes of a list in one piece: in place where it is one range, else copied together. */
export function gathered(segments: Segments): Uint8Array {
  if (segments.count !== 1) return segments.toBytes();
  const offset = segments.offset[0]!;
  return segments.memory[0]!.bytes.subarray(offset, offset + segments.length[0]!);
}

/**
 * The ranges of a list, each as a view.
 * @throws {CryptoError} CRYPTO_INVALID_DATA_LENGTH if memory was detached, or shrank, since the list was made
 */
export function viewsOf(segments: Segments): Uint8Array[] {
  return Array.from({ length: segments.count }, (_, i) => {
    const [offset, length] = [segments.offset[i]!, segments.length[i]!];
    const memory = segments.memory[i]!.bytes;
    if (offset + length > memory.length) {
      throw new CryptoError(
        'CRYPTO_INVALID_DATA_LENGTH',
        `range ${offset}+${length} is outside of ${memory.length} bytes of memory (was it detached or resized?)`,
      );
    }
    return memory.subarray(offset, offset + length);
  });
}
