/** Opens a byte stream to a server, by whatever transport its address names. */
import { connect as connectTcp, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls, getCACertificates } from 'node:tls';
import { createWebSocketStream, WebSocket } from 'ws';
import { formatServerAddress, isWebSocket, type ServerAddress } from '../encryption/server-address.ts';
import { ChatError } from './chat-error.ts';

export type DialOptions = {
  /** More authorities to trust, PEM. */
  readonly ca: string | undefined;
  /** Longest wait, in milliseconds. */
  readonly timeout: number;
  /** Gives up when aborted. */
  readonly signal: AbortSignal;
};

/** Of one WebSocket message; the server writes many frames in one. */
const MAX_WEBSOCKET_MESSAGE = 32 * 1024 * 1024;

/**
 * A name with several addresses is tried address by address, IPv6 and IPv4 in turn (RFC 8305, as `node:net` has it).
 * @returns the stream, connected; for TLS with the certificate checked
 * @throws {ChatError} CHAT_UNREACHABLE
 */
export async function dial(address: ServerAddress, options: DialOptions): Promise<Duplex> {
  const { duplex, opened } = isWebSocket(address) ? webSocket(address, options) : socket(address, options);
  // An attempt that failed, or was given up, may fail once more in another way.
  duplex.on('error', () => {});
  try {
    await inTime(opened, options);
    return duplex;
  } catch (error) {
    duplex.destroy();
    throw unreachable(address, error);
  }
}

type Dialing = { readonly duplex: Duplex; readonly opened: Promise<void> };

function socket({ transport, host, port }: ServerAddress, { ca }: DialOptions): Dialing {
  const tls = transport === 'tls';
  const stream: Socket = tls ? connectTls({ host, port, ...trustIn(ca) }) : connectTcp({ host, port });
  stream.setNoDelay(true);
  const opened = new Promise<void>((resolve, reject) => {
    stream.once(tls ? 'secureConnect' : 'connect', () => resolve()).once('error', reject);
  });
  return { duplex: stream, opened };
}

function webSocket({ transport, path, ...address }: ServerAddress, { ca }: DialOptions): Dialing {
  const url = formatServerAddress({ transport, ...address, path: path === '' ? '/ws' : path });
  const socket = new WebSocket(url, {
    perMessageDeflate: false,
    maxPayload: MAX_WEBSOCKET_MESSAGE,
    ...(transport === 'wss' && trustIn(ca)),
  });
  const opened = new Promise<void>((resolve, reject) => {
    socket.once('open', () => resolve()).once('error', reject);
  });
  return { duplex: createWebSocketStream(socket), opened };
}

/** Node's own list, the machine's, and one more: which may be the very certificate of the server, whoever signed it. */
function trustIn(ca: string | undefined): { ca: string[]; allowPartialTrustChain: boolean } {
  const authorities = [...getCACertificates('default'), ...getCACertificates('system')];
  if (ca !== undefined) authorities.push(ca);
  return { ca: authorities, allowPartialTrustChain: ca !== undefined };
}

async function inTime(opened: Promise<void>, { signal, timeout }: DialOptions): Promise<void> {
  const either = AbortSignal.any([signal, AbortSignal.timeout(timeout)]);
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(either.reason);
  if (either.aborted) abort();
  either.addEventListener('abort', abort, { once: true });
  try {
    await Promise.race([opened, aborted.promise]);
  } finally {
    either.removeEventListener('abort', abort);
  }
}

function unreachable(address: ServerAddress, error: unknown): ChatError {
  const name = formatServerAddress(address);
  const reason = describe(error);
  return new ChatError('CHAT_UNREACHABLE', `The server ${name} cannot be reached: ${reason}.`, {
    cause: error,
  });
}

/** Of a name with several addresses Node reports one error for each. */
function describe(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(describe).join('; ');
  if (error instanceof DOMException && error.name === 'TimeoutError') return 'it does not answer';
  if ((error as NodeJS.ErrnoException | null)?.code === 'ECONNREFUSED') return 'no server listens there';
  return error instanceof Error ? error.message : String(error);
}
