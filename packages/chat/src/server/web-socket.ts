import { type IncomingMessage, type Server, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { type ServerOptions, WebSocketServer } from 'ws';
import { LENGTH_BYTES } from '../protocol/frames.ts';
import { type Connection, wireBytesOf } from './connection.ts';
import type { ServerSettings } from './settings.ts';
import type { AdmittedSocket } from './sockets.ts';
import { WebSocketStream } from './web-socket-stream.ts';

interface WebSocketParts {
  readonly settings: ServerSettings;
  /** The socket of a request, counted for who sends it; `undefined` if it is closed. */
  readonly admittedOf: (request: IncomingMessage) => AdmittedSocket | undefined;
  readonly onConnection: (connection: Connection) => void;
}

/** Fragments of one WebSocket message. Browsers cut a message into pieces of some 10 KiB at the least, other programs seldom. */
const MAX_FRAGMENTS = 128;
/** Pieces of one WebSocket fragment: its bytes as they come from the system, which may be few at a time. */
const MAX_BUFFERED_CHUNKS = 1024;
/** PONGs that wait for a client to take them. */
const MAX_PENDING_PONGS = 8;
/** Every limit that the library has is given here, not left to it. */
const limits = {
  maxFragments: MAX_FRAGMENTS,
  maxBufferedChunks: MAX_BUFFERED_CHUNKS,
  maxPendingAutoPongs: MAX_PENDING_PONGS,
} as const;

/**
 * Accepts WebSocket at /ws of an HTTP server, and hands each on as a stream of what it says. No compression: ciphertext does not compress, and it costs memory.
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
  // A proxy may send another Host than the one that browsers see.
  const origins = settings.publicUrl === '' ? settings.origins : [...settings.origins, settings.publicUrl];
  const sockets = new WebSocketServer(options);
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    const admitted = admittedOf(request);
    if (admitted === undefined) {
      socket.destroy();
      return;
    }
    const status = refuse(request, origins);
    if (status !== undefined) {
      admitted.refuse(`${request.url} is no place for a WebSocket`);
      socket.end(
        `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
      );
      return;
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      const stream = new WebSocketStream(webSocket, socket);
      admitted.becameConnection();
      onConnection({
        stream,
        peer: admitted.peer,
        refusal: admitted.refusal,
        entered: () => stream.allowMessages(settings.maxFrameBytes),
        watch: (listener) => {
          stream.onArrival = listener;
        },
        wireBytes: wireBytesOf(socket, admitted),
      });
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
