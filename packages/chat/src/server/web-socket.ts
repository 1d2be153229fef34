import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Server } from 'node:net';
import type { Duplex } from 'node:stream';
import { createWebSocketStream, WebSocketServer } from 'ws';
import type { OnConnection } from './listeners.ts';

interface WebSocketOptions {
  /** Origins that may connect besides that of the request's own host; `*`: all. */
  readonly origins: readonly string[];
  readonly maxMessageBytes: number;
  readonly highWaterMark: number;
  readonly onConnection: OnConnection;
}

/** RFC 6455, section 7.4.1: a kind of data that is not accepted here. */
const UNSUPPORTED_DATA = 1003;

/**
 * Accepts WebSocket at /ws of an HTTP server, and hands each on as a stream: the payload of its binary
 * messages, one behind the other. No compression: ciphertext does not compress, and it costs memory.
 */
export function acceptWebSockets(server: Server, options: WebSocketOptions): void {
  const sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: options.maxMessageBytes,
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    const refusal = refuse(request, options.origins);
    if (refusal !== undefined) {
      socket.end(
        `HTTP/1.1 ${refusal} ${STATUS_CODES[refusal]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
      );
      return;
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.on('message', (_data, binary) => {
        if (!binary) webSocket.close(UNSUPPORTED_DATA, 'binary messages only');
      });
      const stream = createWebSocketStream(webSocket, {
        readableHighWaterMark: options.highWaterMark,
        writableHighWaterMark: options.highWaterMark,
      });
      options.onConnection(stream, request.socket.remoteAddress);
    });
  });
}

/** The HTTP status to refuse an upgrade with; `undefined` if it is fine. */
function refuse(request: IncomingMessage, origins: readonly string[]): number | undefined {
  if (request.url?.split('?', 1)[0] !== '/ws') return 404;
  return mayConnect(request.headers.origin, request.headers.host, origins) ? undefined : 403;
}

/**
 * Browsers say which page opens a WebSocket, and let any page open one. A page of another site could not enter
 * a room without its secret, but it would be connected from within its visitor's network. Other programs send
 * no Origin.
 */
export function mayConnect(
  origin: string | undefined,
  host: string | undefined,
  allowed: readonly string[],
): boolean {
  if (origin === undefined || allowed.includes('*') || allowed.includes(origin)) return true;
  return URL.canParse(origin) && host !== undefined && new URL(origin).host === host;
}
