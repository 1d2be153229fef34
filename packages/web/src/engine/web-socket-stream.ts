/** A byte stream over a browser's WebSocket. */
import {
  type ByteStream,
  type ByteStreamListener,
  ChatError,
  formatServerAddress,
  type ServerAddress,
} from '@skytale/chat/client';

/**
 * Bytes that may wait here while the client is busy: a browser's WebSocket cannot be told to wait. A server that heeds the receive window
 * sends less than this ahead of what was read.
 */
export const MAX_WAITING_BYTES = 16 * 1024 * 1024;

/** What is used of `WebSocket`. */
export type SocketLike = Pick<
  WebSocket,
  'binaryType' | 'bufferedAmount' | 'send' | 'close' | 'onopen' | 'onmessage' | 'onerror' | 'onclose'
>;

/**
 * @param signal gives up when aborted
 * @throws {ChatError} CHAT_UNREACHABLE; why it cannot be reached a browser does not say
 */
export async function dialWebSocket(
  server: ServerAddress,
  signal: AbortSignal,
  open: (url: string) => SocketLike = (url) => new WebSocket(url),
): Promise<ByteStream> {
  const url = formatServerAddress({ ...server, path: server.path === '' ? '/ws' : server.path });
  const socket = open(url);
  socket.binaryType = 'arraybuffer';
  const { promise: opened, resolve, reject } = Promise.withResolvers<void>();
  const giveUp = () => reject(signal.reason);
  socket.onopen = () => resolve();
  socket.onclose = () => reject(new Error('no connection'));
  signal.addEventListener('abort', giveUp, { once: true });
  if (signal.aborted) giveUp();
  try {
    await opened;
    return new WebSocketStream(socket);
  } catch (cause) {
    socket.close();
    throw new ChatError('CHAT_UNREACHABLE', 'The server cannot be reached.', { cause });
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}

class WebSocketStream implements ByteStream {
  readonly backPressure = false;
  readonly #socket: SocketLike;
  readonly #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #paused = true;
  #listener: ByteStreamListener | undefined;
  /** How it ended, until the listener was told. */
  #end: { readonly reason: string | undefined } | undefined;
  #closed = false;

  constructor(socket: SocketLike) {
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#received(data);
    socket.onclose = () => this.#ended(undefined);
  }

  get unsent(): number {
    return this.#socket.bufferedAmount;
  }

  listen(listener: ByteStreamListener): void {
    this.#listener = listener;
    if (this.#end !== undefined) queueMicrotask(() => this.#handOver());
  }

  send(piece: Uint8Array): void {
    if (!this.#closed && this.#end === undefined) this.#socket.send(piece as Uint8Array<ArrayBuffer>);
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#handOver();
  }

  close(): void {
    this.#closed = true;
    this.#waiting.length = 0;
    this.#socket.onmessage = null;
    this.#socket.onclose = null;
    this.#socket.close();
  }

  #received(data: unknown): void {
    if (this.#closed || this.#end !== undefined) return;
    if (!(data instanceof ArrayBuffer)) {
      this.#break('it sent text');
      return;
    }
    this.#waiting.push(new Uint8Array(data));
    this.#waitingBytes += data.byteLength;
    if (this.#waitingBytes > MAX_WAITING_BYTES) this.#break('it sends faster than can be read here');
    else this.#handOver();
  }

  #break(reason: string): void {
    this.#socket.close();
    this.#ended(reason);
  }

  #ended(reason: string | undefined): void {
    this.#end ??= { reason };
    this.#handOver();
  }

  /** What waits comes before the end. */
  #handOver(): void {
    while (!this.#paused && !this.#closed && this.#listener !== undefined) {
      const piece = this.#waiting.shift();
      if (piece === undefined) break;
      this.#waitingBytes -= piece.length;
      this.#listener.received(piece);
    }
    if (this.#closed || this.#listener === undefined || this.#end === undefined) return;
    if (this.#waiting.length > 0) return;
    this.#closed = true;
    this.#listener.ended(this.#end.reason);
  }
}
