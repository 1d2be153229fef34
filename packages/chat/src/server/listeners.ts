import { constants } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { getDefaultHighWaterMark, setDefaultHighWaterMark } from 'node:stream';
import { createSecureContext, createServer as createTlsServer } from 'node:tls';
import {
  type Connection,
  type Layer,
  SOCKET_HIGH_WATER_MARK,
  watchPieces,
  wireBytesOf,
} from './connection.ts';
import { readProxyHeader } from './proxy-protocol.ts';
import { ServerError } from './server-error.ts';
import type { Address, ServerSettings } from './settings.ts';
import type { Sockets } from './sockets.ts';
import { TrustedProxies } from './trusted-proxies.ts';
import { webLayer } from './web-layer.ts';
import type { WebPages } from './web-pages.ts';

export interface ListenerEvents {
  connection(connection: Connection): void;
  /** The system had no descriptor for a connection, for example. Nothing has to be done. */
  acceptFailed(error: Error): void;
}

/** Connections that the system completes and keeps until they are accepted, for each address listened at. */
const ACCEPT_BACKLOG = 511;
/** How long a client may resume a TLS session, in seconds. The session is in its ticket, not in our memory. */
const TLS_SESSION_SECONDS = 300;

/**
 * The addresses that a server listens at. Each has one `net.Server`, of which every socket goes to `Sockets` first; the
 * PROXY header, TLS and HTTP are layers that it is handed through.
 */
export class Listeners {
  readonly #servers: Server[] = [];
  readonly #sockets: Sockets;
  readonly tcp: Address[] = [];
  readonly http: Address[] = [];

  private constructor(sockets: Sockets) {
    this.#sockets = sockets;
  }

  /**
   * Listens at all addresses of the settings, or at none.
   * @param healthy what /healthz says
   * @param pages for browsers
   * @throws {ServerError}
   */
  static async open(
    settings: ServerSettings,
    sockets: Sockets,
    healthy: () => boolean,
    events: ListenerEvents,
    pages?: WebPages,
  ): Promise<Listeners> {
    checkCertificate(settings.tls);
    const proxies = new TrustedProxies(settings);
    const listeners = new Listeners(sockets);
    const listen = (layer: Layer, address: Address, halfOpen: boolean) => {
      const layers = behindProxies(proxies, layer, settings.proxyProtocol);
      return listeners.#listen(layers, address, halfOpen, events);
    };
    try {
      for (const address of settings.tcp) {
        const layer = overTls(settings, sockets, undefined, streamLayer(events));
        listeners.tcp.push(await listen(layer, address, false));
      }
      for (const address of settings.http) {
        const web = webLayer({ settings, sockets, proxies, pages, healthy, onConnection: events.connection });
        listeners.http.push(await listen(overTls(settings, sockets, 'http/1.1', web), address, true));
      }
      return listeners;
    } catch (error) {
      listeners.close();
      throw error;
    }
  }

  /** Takes no new connections; of those that are there only the ones that are in use stay. */
  close(): void {
    for (const server of this.#servers) server.close();
    this.#sockets.destroyUnfinished();
  }

  async #listen(
    layer: Layer,
    { host, port }: Address,
    allowHalfOpen: boolean,
    events: ListenerEvents,
  ): Promise<Address> {
    const options = { noDelay: true, highWaterMark: SOCKET_HIGH_WATER_MARK, allowHalfOpen };
    const server = createServer(options, (socket: Socket) => {
      const admitted = this.#sockets.admit(socket);
      if (admitted !== undefined) layer(socket, admitted);
    });
    server.listen({ host, port, backlog: ACCEPT_BACKLOG });
    try {
      await once(server, 'listening');
    } catch (cause) {
      throw listenError(cause as NodeJS.ErrnoException, host, port);
    }
    // Without a listener, one connection too many for the system would end the process.
    server.on('error', (error) => events.acceptFailed(error));
    this.#servers.push(server);
    const bound = server.address() as AddressInfo;
    return { host: bound.address, port: bound.port };
  }
}

/** The stream is the connection. */
function streamLayer(events: ListenerEvents): Layer {
  return (stream, admitted) => {
    admitted.belongsTo(admitted.peer);
    if (stream.destroyed) return;
    admitted.becameConnection();
    events.connection({
      stream,
      peer: admitted.peer,
      refusal: admitted.refusal,
      entered: () => undefined,
      watch: (listener) => watchPieces(stream, listener),
      wireBytes: wireBytesOf(stream, admitted),
    });
  };
}

/** Reads what trusted proxies say first; whoever is no trusted proxy has a place in its network from here on. */
function behindProxies(proxies: TrustedProxies, layer: Layer, proxyProtocol: boolean): Layer {
  const handOn: Layer = (stream, admitted) => {
    if (!proxies.trusts(admitted.peer)) admitted.belongsTo(admitted.peer);
    if (!stream.destroyed) layer(stream, admitted);
  };
  if (!proxyProtocol) return handOn;
  return (stream, admitted) => {
    if (!proxies.trusts(admitted.peer)) return handOn(stream, admitted);
    readProxyHeader(stream, (source) => {
      if (source !== undefined) admitted.peer = source;
      handOn(stream, admitted);
    });
  };
}

/** TLS if the settings have a certificate. */
function overTls(
  settings: ServerSettings,
  sockets: Sockets,
  protocol: string | undefined,
  layer: Layer,
): Layer {
  const { tls, helloTimeoutMs } = settings;
  if (tls === undefined) return layer;
  const server = createTlsServer(
    {
      ...tls,
      minVersion: 'TLSv1.2',
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
      sessionTimeout: TLS_SESSION_SECONDS,
      handshakeTimeout: helloTimeoutMs,
      ...(protocol !== undefined && { ALPNProtocols: [protocol] }),
    },
    (stream) => {
      const admitted = sockets.of(stream);
      if (admitted === undefined) stream.destroy();
      else layer(stream, admitted);
    },
  );
  return (stream) => withHighWaterMark(SOCKET_HIGH_WATER_MARK, () => server.emit('connection', stream));
}

/**
 * Makes streams that have no option for their high-water mark: the server's TLS sockets, which would otherwise buffer what comes
 * while they are paused in pieces as short as the client's records.
 */
function withHighWaterMark(bytes: number, make: () => void): void {
  const usual = getDefaultHighWaterMark(false);
  setDefaultHighWaterMark(false, bytes);
  try {
    make();
  } finally {
    setDefaultHighWaterMark(false, usual);
  }
}

function checkCertificate(tls: ServerSettings['tls']): void {
  if (tls === undefined) return;
  try {
    createSecureContext(tls);
  } catch (cause) {
    throw new ServerError(
      'SERVER_INVALID_CERTIFICATE',
      `The certificate and key cannot be used: ${(cause as Error).message}. Both must be PEM, and belong together.`,
      { cause },
    );
  }
}
function listenError(cause: NodeJS.ErrnoException, host: string, port: number): ServerError {
  const at = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  switch (cause.code) {
    case 'EADDRINUSE':
      return new ServerError(
        'SERVER_PORT_TAKEN',
        `${at} is in use by another program. Choose another port.`,
        { cause },
      );
    case 'EACCES':
      return new ServerError('SERVER_PORT_FORBIDDEN', `${at} needs privileges. Choose a port from 1024 on.`, {
        cause,
      });
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new ServerError(
        'SERVER_ADDRESS_UNAVAILABLE',
        `${host} is no address of this machine (${cause.code}). 127.0.0.1 is for this machine only, :: is for all.`,
        { cause },
      );
    default:
      return new ServerError('SERVER_LISTEN_FAILED', `Cannot listen at ${at}: ${cause.message}.`, { cause });
  }
}
