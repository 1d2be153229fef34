import { createServer, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Connection, Layer } from './connection.ts';
import { answerHttp } from './http-pages.ts';
import type { ServerSettings } from './settings.ts';
import type { AdmittedSocket, Sockets } from './sockets.ts';
import type { TrustedProxies } from './trusted-proxies.ts';
import type { WebPages } from './web-pages.ts';
import { acceptWebSockets } from './web-socket.ts';

/** All lines of a request's header together, in bytes. */
const MAX_HTTP_HEADER_BYTES = 8 * 1024;
/** Requests of one connection: as many as a browser makes for all of the page, and some. All of them have one time-out (`Sockets`). */
const MAX_HTTP_REQUESTS = 16;
/** How long a connection waits for the next request, in milliseconds. */
const KEEP_ALIVE_MS = 5000;

interface WebParts {
  readonly settings: ServerSettings;
  readonly sockets: Sockets;
  readonly proxies: TrustedProxies;
  readonly pages: WebPages | undefined;
  readonly healthy: () => boolean;
  readonly onConnection: (connection: Connection) => void;
}

/**
 * HTTP: pages, and WebSocket at /ws. The server does not listen itself, so Node's time-outs for requests, which only
 * one that listens looks after, are off: `Sockets` bounds the whole time until the answer.
 */
export function webLayer({ settings, sockets, proxies, pages, healthy, onConnection }: WebParts): Layer {
  const admittedOf = (request: IncomingMessage): AdmittedSocket | undefined => {
    const admitted = sockets.of(request.socket);
    admitted?.belongsTo(proxies.clientOf(admitted.peer, request.headers));
    return admitted?.socket.destroyed ? undefined : admitted;
  };
  const server = createServer(
    {
      maxHeaderSize: MAX_HTTP_HEADER_BYTES,
      headersTimeout: 0,
      requestTimeout: 0,
      connectionsCheckingInterval: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveTimeoutBuffer: 0,
      insecureHTTPParser: false,
    },
    answerHttp({ keepAlive: settings.forwardedHeader === 'none', healthy, admittedOf, pages }),
  );
  // The size bounds their number. A limit of its own would drop the last ones unseen: those that our proxy has added.
  server.maxHeadersCount = 0;
  server.maxRequestsPerSocket = MAX_HTTP_REQUESTS;
  server.timeout = 0;
  acceptWebSockets(server, { settings, admittedOf, onConnection });
  return (stream) => server.emit('connection', stream as Socket);
}
