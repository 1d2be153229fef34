/** Opens a byte stream to a server, by whatever transport its address names. */
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls, getCACertificates } from 'node:tls';
import { createWebSocketStream, WebSocket } from 'ws';
import { formatServerAddress, isWebSocket, type ServerAddress } from '../../encryption/server-address.ts';
import { MAX_MAX_FRAME } from '../../protocol/frames.ts';
import type { ByteStream } from '../byte-stream.ts';
import { unreachable } from '../chat-error.ts';
import { DuplexByteStream } from './duplex-byte-stream.ts';

/** Of one WebSocket message; the server writes many frames in one. */
const MAX_WEBSOCKET_MESSAGE = 2 * MAX_MAX_FRAME;
/** Of one WebSocket message. A server has no reason to send it in fragments. */
const MAX_WEBSOCKET_FRAGMENTS = 1024;
/** Pieces of one fragment, as they come from the system; the longest frame is so many packets of Ethernet. */
const MAX_WEBSOCKET_CHUNKS = 16 * 1024;
/** PONGs that the server does not take. */
const MAX_WEBSOCKET_PONGS = 8;

/** Every limit that the library has is given here, not left to it. */
const limits = {
  maxPayload: MAX_WEBSOCKET_MESSAGE,
  maxFragments: MAX_WEBSOCKET_FRAGMENTS,
  maxBufferedChunks: MAX_WEBSOCKET_CHUNKS,
  maxPendingAutoPongs: MAX_WEBSOCKET_PONGS,
} as const;

/**
 * A name with several addresses is tried address by address, IPv6 and IPv4 in turn (RFC 8305, as `node:net` has it).
 * @param ca more authorities to trust, PEM
 * @param signal gives up when aborted
 * @returns the stream, connected; for TLS with the certificate checked
 * @throws {ChatError} CHAT_UNREACHABLE
 */
export async function dial(
  address: ServerAddress,
  ca: string | undefined,
  signal: AbortSignal,
): Promise<ByteStream> {
  const { duplex, opened } = isWebSocket(address) ? webSocket(address, ca) : socket(address, ca);
  const stream = new DuplexByteStream(duplex);
  try {
    await unlessAborted(opened, signal);
    return stream;
  } catch (error) {
    stream.close();
    throw unreachable(address, error, describe(error));
  }
}

type Dialing = { readonly duplex: Duplex; readonly opened: Promise<void> };

function socket({ transport, host, port }: ServerAddress, ca: string | undefined): Dialing {
  const tls = transport === 'tls';
  const stream: Socket = tls
    ? connectTls({ host, port, ca: authorities(ca), ...serverName(host) })
    : connectTcp({ host, port });
  stream.setNoDelay(true);
  const opened = new Promise<void>((resolve, reject) => {
    stream.once(tls ? 'secureConnect' : 'connect', () => resolve()).once('error', reject);
  });
  return { duplex: stream, opened };
}

/** Whom one wants to speak to, where several have one address (RFC 6066, section 3, which has no addresses in it). */
function serverName(host: string): { servername?: string } {
  return isIP(host) === 0 ? { servername: host } : {};
}

function webSocket({ transport, path, ...address }: ServerAddress, ca: string | undefined): Dialing {
  const url = formatServerAddress({ transport, ...address, path: path === '' ? '/ws' : path });
  const socket = new WebSocket(url, {
    perMessageDeflate: false,
    followRedirects: false,
    ...limits,
    ...(transport === 'wss' && { ca: authorities(ca), ...serverName(address.host) }),
  });
  const opened = new Promise<void>((resolve, reject) => {
    socket.once('open', () => resolve()).once('error', reject);
  });
  return { duplex: createWebSocketStream(socket), opened };
}

/** Node's own list, the machine's, and one more. */
function authorities(ca: string | undefined): string[] {
  return [...getCACertificates('default'), ...getCACertificates('system'), ...(ca === undefined ? [] : [ca])];
}

async function unlessAborted(opened: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  try {
    await Promise.race([opened, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
    opened.catch(() => {});
  }
}

/** Of a name with several addresses Node reports one error for each. */
function describe(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(describe).join('; ');
  if ((error as NodeJS.ErrnoException | null)?.code === 'ECONNREFUSED') return 'no server listens there';
  return error instanceof Error ? error.message : String(error);
}
