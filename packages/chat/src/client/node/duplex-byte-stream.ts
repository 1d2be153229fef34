import type { Duplex } from 'node:stream';
import type { ByteStream, ByteStreamListener } from '../byte-stream.ts';

/** A stream of Node's: a socket, or a WebSocket's. */
export class DuplexByteStream implements ByteStream {
  readonly backPressure: boolean;
  readonly #duplex: Duplex;
  #ended = false;

  /** @param backPressure for simulations of what has none */
  constructor(duplex: Duplex, backPressure = true) {
    this.backPressure = backPressure;
    this.#duplex = duplex;
    // One that has ended may fail once more in another way.
    duplex.on('error', () => {});
    duplex.pause();
  }

  get unsent(): number {
    return this.#duplex.writableLength;
  }

  listen(listener: ByteStreamListener): void {
    const ended = (reason?: string) => {
      if (this.#ended) return;
      this.#ended = true;
      listener.ended(reason);
    };
    this.#duplex.on('data', (piece: Buffer) => {
      // Of a Buffer `slice` gives a view, not a copy.
      if (!this.#ended) listener.received(new Uint8Array(piece.buffer, piece.byteOffset, piece.length));
    });
    this.#duplex.on('error', (error) => ended(error.message));
    // A WebSocket's stream says only `end`, a socket that breaks only `close`.
    for (const event of ['end', 'close']) this.#duplex.on(event, () => ended());
    this.#duplex.pause();
    if (this.#duplex.destroyed) queueMicrotask(() => ended(this.#duplex.errored?.message));
  }

  send(piece: Uint8Array): void {
    if (!this.#ended && !this.#duplex.destroyed) this.#duplex.write(piece);
  }

  pause(): void {
    this.#duplex.pause();
  }

  resume(): void {
    this.#duplex.resume();
  }

  close(): void {
    this.#ended = true;
    this.#duplex.destroy();
  }
}
