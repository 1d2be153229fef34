import { once } from 'node:events';
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createSecureContext, createServer as createTlsServer } from 'node:tls';
import { LENGTH_BYTES } from '../protocol/frames.ts';
import { answerHttp } from './http-pages.ts';
import { ServerError } from './server-error.ts';
import type { Address, ServerSettings } from './settings.ts';
import { acceptWebSockets } from './web-socket.ts';

/** What a listener hands on: a stream of bytes, and the address at its other end. */
export type OnConnection = (stream: Duplex, peer: string | undefined) => void;

/** What a client costs at most in buffers of its stream, in bytes, in each direction. */
const HIGH_WATER_MARK = 64 * 1024;

/** The sockets that a server listens on. */
export class Listeners {
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  readonly tcp: Address[] = [];
  readonly http: Address[] = [];

  /**
   * Listens at all addresses of the settings, or at none.
   * @param healthy what /healthz says
   * @throws {ServerError}
   */
  static async open(
    settings: ServerSettings,
    onConnection: OnConnection,
    healthy: () => boolean,
  ): Promise<Listeners> {
    checkCertificate(settings.tls);
    const listeners = new Listeners();
    try {
      for (const address of settings.tcp) {
        listeners.tcp.push(await listeners.#listen(streamServer(settings, onConnection), address, settings));
      }
      for (const address of settings.http) {
        listeners.http.push(
          await listeners.#listen(webServer(settings, onConnection, healthy), address, settings),
        );
      }
      return listeners;
    } catch (error) {
      listeners.close();
      throw error;
    }
  }

  /** Takes no new connections; those that are there stay, unless they are plain HTTP. */
  close(): void {
    for (const server of this.#servers) {
      server.close();
      if ('closeIdleConnections' in server) (server as HttpServer).closeIdleConnections();
    }
  }

  /** Ends every connection that is left, in whatever state it is. */
  destroyConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async #listen(server: Server, { host, port }: Address, settings: ServerSettings): Promise<Address> {
    // Also those that have not come through a handshake take memory.
    if (settings.maxConnections > 0) server.maxConnections = settings.maxConnections + 100;
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    server.listen({ host, port });
    try {
      await once(server, 'listening');
    } catch (cause) {
      throw listenError(cause as NodeJS.ErrnoException, host, port);
    }
    this.#servers.push(server);
    const bound = server.address() as AddressInfo;
    return { host: bound.address, port: bound.port };
  }
}

function streamServer({ tls, helloTimeoutMs }: ServerSettings, onConnection: OnConnection): Server {
  const hand = (socket: Socket) => onConnection(socket, socket.remoteAddress);
  const options = { noDelay: true, highWaterMark: HIGH_WATER_MARK };
  if (tls === undefined) return createTcpServer(options, hand);
  return createTlsServer({ ...options, ...tls, handshakeTimeout: helloTimeoutMs }, hand);
}

function webServer(settings: ServerSettings, onConnection: OnConnection, healthy: () => boolean): Server {
  const options = {
    noDelay: true,
    headersTimeout: settings.helloTimeoutMs,
    requestTimeout: settings.helloTimeoutMs,
    connectionsCheckingInterval: 1000,
  };
  const answer = answerHttp(healthy);
  const server =
    settings.tls === undefined
      ? createHttpServer(options, answer)
      : createHttpsServer({ ...options, ...settings.tls, handshakeTimeout: settings.helloTimeoutMs }, answer);
  acceptWebSockets(server, {
    origins: settings.origins,
    maxMessageBytes: LENGTH_BYTES + settings.maxFrameBytes,
    highWaterMark: HIGH_WATER_MARK,
    onConnection,
  });
  return server;
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
