import { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { HIGH_WATER_MARK, LEAST_COST, SOCKET_HIGH_WATER_MARK, WEB_SOCKET_FRAME_COST } from './connection.ts';
import { FrameCount } from './web-socket-frames.ts';

/** RFC 6455, section 7.4.1: a kind of data that is not accepted here. */
const UNSUPPORTED_DATA = 1003;
/**
 * Bytes, headers and control frames with them, that may come by a WebSocket without completing a message: of a client that is in
 * no room yet, and of one that is, on top of its longest message. They are kept in the pieces in which they came.
 */
const MAX_UNFINISHED_BYTES = 16 * 1024;

/**
 * What a client says by a WebSocket, as a stream: the payload of its binary messages, one behind the other.
 *
 * 1. It pauses the socket below as soon as it is paused itself. At most one piece of the socket waits there, and here what one
 *    piece has completed, put together into one: however short messages are, one costs no memory of its own.
 * 2. An empty message, or a text, says nothing that could be counted, and ends it (1003). Nothing behind it is handed on.
 * 3. It is destroyed when the socket is closed; what waits is discarded.
 * 4. Its errors are heard here: whatever a client sends, and whoever has the stream at that moment, they end it alone.
 */
export class WebSocketStream extends Duplex {
  /** Told what a piece costs the server, in bytes, before what it says is handed on. */
  onArrival: (cost: number) => void = () => undefined;
  /** Bytes that may come without completing a message. */
  #mostUnfinished = MAX_UNFINISHED_BYTES;
  readonly #webSocket: WebSocket;
  readonly #frames = new FrameCount();
  /** Messages that the present piece of the socket has completed. */
  #completed: Buffer[] = [];
  #unfinishedBytes = 0;
  /** It is being closed by the library, which has the reason to tell still. */
  #closes = false;

  /** @param socket below the WebSocket: its bytes are looked at, the library reads them */
  constructor(webSocket: WebSocket, socket: Duplex) {
    super({ readableHighWaterMark: SOCKET_HIGH_WATER_MARK, writableHighWaterMark: HIGH_WATER_MARK });
    this.#webSocket = webSocket;
    this.on('error', () => undefined);
    webSocket.on('message', (payload: Buffer, binary: boolean) => this.#message(payload, binary));
    webSocket.on('error', (error) => {
      this.#closes = true;
      this.destroy(error);
    });
    // Behind the library's own listener, so that what is complete in a piece was seen.
    socket.on('data', (piece: Buffer) => this.#arrived(piece));
    socket.on('close', () => this.destroy());
    this.on('pause', () => webSocket.pause());
    this.on('resume', () => this._read());
  }

  /** Its client is in a room, and may send messages of so many bytes. */
  allowMessages(bytes: number): void {
    this.#mostUnfinished = bytes + MAX_UNFINISHED_BYTES;
  }

  #message(payload: Buffer, binary: boolean): void {
    if (this.#closes) return;
    if (binary && payload.length > 0) {
      this.#completed.push(payload);
      return;
    }
    this.#closes = true;
    this.#webSocket.close(UNSUPPORTED_DATA, 'binary messages only, and no empty ones');
  }

  #arrived(piece: Buffer): void {
    const completed = this.#completed;
    this.#completed = [];
    this.#unfinishedBytes = completed.length > 0 ? 0 : this.#unfinishedBytes + piece.length;
    if (this.#unfinishedBytes > this.#mostUnfinished) {
      // Also where it is being closed, and the client does not care.
      this.#webSocket.terminate();
      return;
    }
    this.onArrival(Math.max(piece.length, LEAST_COST, WEB_SOCKET_FRAME_COST * this.#frames.begunIn(piece)));
    if (completed.length === 0 || this.destroyed) return;
    const bytes = completed.length === 1 ? completed[0]! : Buffer.concat(completed);
    if (!this.push(bytes)) this.#webSocket.pause();
  }

  /** Asked for also while it is paused, to have something in stock: that is what must not be. */
  override _read(): void {
    if (!this.isPaused()) this.#webSocket.resume();
  }

  override _write(chunk: Buffer, _encoding: string, callback: (error?: Error | null) => void): void {
    this.#webSocket.send(chunk, callback);
  }

  /** Says that it is over. The library waits for the client to say so too, as long as it was told to; then the socket is closed. */
  override _final(callback: () => void): void {
    this.#webSocket.close();
    callback();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#completed = [];
    if (!this.#closes) this.#webSocket.terminate();
    callback(error);
  }
}
