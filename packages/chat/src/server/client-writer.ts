import type { Duplex } from 'node:stream';
import type { Counters } from './counters.ts';

/**
 * The one writer of a client's connection.
 *
 * - Everything that is sent to a client MUST go through its writer, in the order in which it is to arrive.
 * - What is sent in one turn of the event loop MUST reach the stream in one write: frames are small and
 *   system calls are dear.
 * - Buffers given to `send` MUST NOT be changed afterwards: they are shared between clients, not copied.
 * - Whoever sends something of which there may be much MUST ask `congested` before each, and go on when `onDrain` is called:
 *   a client that does not read then costs at most the stream's high-water mark and one more buffer.
 * - After `end` nothing is sent.
 */
export class ClientWriter {
  readonly #stream: Duplex;
  readonly #counters: Counters;
  readonly #onDrain: () => void;
  #turn: Uint8Array[] = [];
  #turnBytes = 0;
  #ended = false;
  #congestedSince: number | undefined;

  constructor(stream: Duplex, counters: Counters, onDrain: () => void) {
    this.#stream = stream;
    this.#counters = counters;
    this.#onDrain = onDrain;
    stream.on('drain', () => {
      this.#congestedSince = undefined;
      onDrain();
    });
  }

  /** Whether the connection has not yet taken what it was given. */
  get congested(): boolean {
    return this.#stream.writableNeedDrain || this.#turnBytes >= this.#stream.writableHighWaterMark;
  }

  /** Since when what was written has not been taken; `now` if that is new; `undefined` if there is nothing. */
  congestedSince(now: number): number | undefined {
    if (!this.#stream.writableNeedDrain) this.#congestedSince = undefined;
    else this.#congestedSince ??= now;
    return this.#congestedSince;
  }

  send(bytes: Uint8Array): void {
    if (this.#ended) return;
    if (this.#turn.length === 0) queueMicrotask(() => this.#flush());
    this.#turn.push(bytes);
    this.#turnBytes += bytes.length;
  }

  /** Closes the sending direction behind what was sent. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#flush();
    this.#stream.end();
  }

  #flush(): void {
    const buffers = this.#turn;
    if (buffers.length === 0) return;
    const full = this.#turnBytes >= this.#stream.writableHighWaterMark;
    this.#counters.bytesOut += this.#turnBytes;
    this.#turn = [];
    this.#turnBytes = 0;
    if (this.#stream.destroyed) return;
    if (buffers.length === 1) this.#stream.write(buffers[0]);
    else this.#writeMany(buffers);
    // What the system took at once was never waited for by the stream: no 'drain' comes.
    if (full && !this.#stream.writableNeedDrain) this.#onDrain();
  }

  #writeMany(buffers: readonly Uint8Array[]): void {
    this.#stream.cork();
    for (const buffer of buffers) this.#stream.write(buffer);
    this.#stream.uncork();
  }
}
