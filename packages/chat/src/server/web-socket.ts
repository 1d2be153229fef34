import { type IncomingMessage, type Server, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { createWebSocketStream, type ServerOptions, type WebSocket, WebSocketServer } from 'ws';
import { LENGTH_BYTES } from '../protocol/frames.ts';
import { type Connection, HIGH_WATER_MARK } from './connection.ts';
import type { ServerSettings } from './settings.ts';
import type { AdmittedSocket } from './sockets.ts';

interface WebSocketParts {
  readonly settings: ServerSettings;
  /** The socket of a request, counted for who sends it; `undefined` if it is closed. */
  readonly admittedOf: (request: IncomingMessage) => AdmittedSocket | undefined;
  readonly onConnection: (connection: Connection) => void;
}

/** RFC 6455, section 7.4.1: a kind of data that is not accepted here. */
const UNSUPPORTED_DATA = 1003;
/** Fragments of one WebSocket message. Browsers cut a message into pieces of some 10 KiB at the least, other programs seldom. */
const MAX_FRAGMENTS = 128;
/** Pieces of one WebSocket fragment: its bytes as they come from the system, which may be few at a time. */
const MAX_BUFFERED_CHUNKS = 1024;
/** PONGs that wait for a client to take them. */
const MAX_PENDING_PONGS = 8;
/**
 * Bytes, headers and control frames with them, that may come by a WebSocket without completing a message: of a client that is in
 * no room yet, and of one that is, on top of its longest message. They are kept in the pieces in which they came.
 */
const MAX_UNFINISHED_BYTES = 16 * 1024;

/** Every limit that the library has is given here, not left to it. */
const limits = {
  maxFragments: MAX_FRAGMENTS,
  maxBufferedChunks: MAX_BUFFERED_CHUNKS,
  maxPendingAutoPongs: MAX_PENDING_PONGS,
} as const;

/**
 * Accepts WebSocket at /ws of an HTTP server, and hands each on as a stream: the payload of its binary
 * messages, one behind the other. No compression: ciphertext does not compress, and it costs memory.
 */
export function acceptWebSockets(
  server: Server,
  { settings, admittedOf, onConnection }: WebSocketParts,
): void {
  const options: ServerOptions & typeof limits & { closeTimeout: number } = {
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: LENGTH_BYTES + settings.maxFrameBytes,
    closeTimeout: settings.closeTimeoutMs,
    ...limits,
  };
  const sockets = new WebSocketServer(options);
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    const admitted = admittedOf(request);
    if (admitted === undefined) {
      socket.destroy();
      return;
    }
    const status = refuse(request, settings.origins);
    if (status !== undefined) {
      admitted.refuse(`${request.url} is no place for a WebSocket`);
      socket.end(
        `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
      );
      return;
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.on('message', (_data, binary) => {
        if (!binary) webSocket.close(UNSUPPORTED_DATA, 'binary messages only');
      });
      const unfinished = limitUnfinished(webSocket, socket);
      const stream = createWebSocketStream(webSocket, {
        readableHighWaterMark: HIGH_WATER_MARK,
        writableHighWaterMark: HIGH_WATER_MARK,
      });
      admitted.becameConnection();
      onConnection({
        stream,
        peer: admitted.peer,
        refusal: admitted.refusal,
        entered: () => {
          unfinished.most = settings.maxFrameBytes + MAX_UNFINISHED_BYTES;
        },
      });
    });
  });
}

/**
 * Ends a WebSocket of which more has come since its last message than `most`: its fragments would pin the pieces of memory that
 * they came in, with all control frames between them.
 */
function limitUnfinished(webSocket: WebSocket, socket: Duplex): { most: number } {
  const unfinished = { most: MAX_UNFINISHED_BYTES };
  let bytes = 0;
  let completed = false;
  webSocket.on('message', () => {
    completed = true;
  });
  // Behind the library's own listener, so that what is complete in a piece was seen.
  socket.on('data', (piece: Buffer) => {
    bytes = completed ? 0 : bytes + piece.length;
    completed = false;
    if (bytes > unfinished.most) webSocket.terminate();
  });
  return unfinished;
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
