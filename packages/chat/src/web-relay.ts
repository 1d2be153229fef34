/**
 * The page for browsers without the server's hand in it: served on this machine, to browsers on this machine, with its WebSocket led on to
 * a server somewhere else, whatever transport that speaks. The server sees what it always sees: ciphertext.
 */
import { pipeline } from 'node:stream/promises';
import { dialDuplex } from './client/node/dial.ts';
import { systemClock } from './clock.ts';
import type { ServerAddress } from './encryption/server-address.ts';
import type { Connection } from './server/connection.ts';
import { Listeners } from './server/listeners.ts';
import { type Address, serverSettings } from './server/settings.ts';
import { Sockets } from './server/sockets.ts';
import type { WebPages } from './server/web-pages.ts';

/** Connections at a time: a few browsers, each with the files of the page and a WebSocket for each room. */
const MAX_RELAYED = 256;

export interface WebRelayOptions {
  /** The server that is led to. */
  readonly server: ServerAddress;
  readonly pages: WebPages;
  /** Of this machine's loopback interface; 0 takes a free one. */
  readonly port: number;
  /** More authorities to trust, PEM. */
  readonly ca?: string | undefined;
  /** Told why the server could not be reached; the page tries again by itself. */
  readonly onUnreachable?: (error: Error) => void;
}

export class WebRelay implements AsyncDisposable {
  readonly address: Address;
  readonly #listeners: Listeners;
  readonly #sockets: Sockets;

  private constructor(listeners: Listeners, sockets: Sockets) {
    this.address = listeners.http[0]!;
    this.#listeners = listeners;
    this.#sockets = sockets;
  }

  /** @throws {ServerError} if the port cannot be listened at */
  static async open({ server, pages, port, ca, onUnreachable }: WebRelayOptions): Promise<WebRelay> {
    const settings = serverSettings({
      tcp: [],
      http: [{ host: '127.0.0.1', port }],
      maxConnections: MAX_RELAYED,
      maxConnectionsPerAddress: 0,
    });
    const sockets = new Sockets(settings, systemClock, () => undefined);
    const connection = ({ stream, refusal, entered }: Connection) => {
      if (refusal !== undefined) return;
      // The server at the other end has its own limits for those that are in no room yet.
      entered();
      // Nobody dials for a page that is gone: a server that says nothing would be dialed again and again.
      const gone = new AbortController();
      stream.once('close', () => gone.abort());
      dialDuplex(server, ca, gone.signal)
        .then((far) => pipeline(stream, far, stream))
        .catch((error: Error) => {
          if (!stream.destroyed) onUnreachable?.(error);
        })
        .finally(() => stream.destroy());
    };
    const listeners = await Listeners.open(
      settings,
      sockets,
      () => true,
      { connection, acceptFailed: () => undefined },
      pages,
    );
    return new WebRelay(listeners, sockets);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listeners.close();
    this.#sockets.destroyAll();
  }
}
