import { createServer, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Connection, Layer } from './connection.ts';
import { answerHttp } from './http-pages.ts';
import type { ServerSettings } from './settings.ts';
import type { AdmittedSocket, Sockets } from './sockets.ts';
import type { TrustedProxies } from './trusted-proxies.ts';
import { acceptWebSockets } from './web-socket.ts';

/** All lines of a request's header together, in bytes. */
const MAX_HTTP_HEADER_BYTES = 8 * 1024;
/** Requests of one connection. More would need a time-out between them, and who looks at a page comes seldom. */
const MAX_HTTP_REQUESTS = 1;

interface WebParts {
  readonly settings: ServerSettings;
  readonly sockets: Sockets;
  readonly proxies: TrustedProxies;
  readonly healthy: () => boolean;
  readonly onConnection: (connection: Connection) => void;
}

/**
 * HTTP: pages, and WebSocket at /ws. The server does not listen itself, so Node's time-outs for requests, which only
 * one that listens looks after, are off: `Sockets` bounds the whole time until the answer.
 */
export function webLayer({ settings, sockets, proxies, healthy, onConnection }: WebParts): Layer {
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
      keepAliveTimeout: settings.helloTimeoutMs,
      keepAliveTimeoutBuffer: 0,
      insecureHTTPParser: false,
    },
    answerHttp(healthy, (request) => admittedOf(request)?.refusal),
  );
  // The size bounds their number. A limit of its own would drop the last ones unseen: those that our proxy has added.
  server.maxHeadersCount = 0;
  server.maxRequestsPerSocket = MAX_HTTP_REQUESTS;
  server.timeout = 0;
  acceptWebSockets(server, { settings, admittedOf, onConnection });
  return (stream) => server.emit('connection', stream as Socket);
}
