/** Opens a byte stream to a server, by whatever transport its address names. */
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls, getCACertificates } from 'node:tls';
import { createWebSocketStream, WebSocket } from 'ws';
import { formatServerAddress, isWebSocket, type ServerAddress } from '../../encryption/server-address.ts';
import { MAX_MAX_FRAME } from '../../protocol/frames.ts';
import type { ByteStream } from '../byte-stream.ts';
import { unreachable } from '../chat-error.ts';
import { whyNotReached } from './dial-error.ts';
import { DuplexByteStream } from './duplex-byte-stream.ts';

/** Longest message of a WebSocket, in bytes: the server writes many frames in one. */
const MAX_WEBSOCKET_MESSAGE = 2 * MAX_MAX_FRAME;
/** Fragments of one message of a WebSocket; a server has no reason for them. */
const MAX_MESSAGE_FRAGMENTS = 1024;
/** Chunks in which one message may come from the system: they may be small. */
const MAX_MESSAGE_CHUNKS = 16 * 1024;
/** PONGs of the WebSocket's own that wait for the server to take them. */
const MAX_WAITING_PONGS = 8;
/** How long a server may take to answer the request for a WebSocket, in milliseconds. */
const UPGRADE_TIMEOUT_MS = 60_000;
/** How long a server may take to end a WebSocket that is being closed, in milliseconds. */
const WEBSOCKET_CLOSE_TIMEOUT_MS = 3000;

/** Every limit that the library has is given here, not left to it. */
const limits = {
  maxPayload: MAX_WEBSOCKET_MESSAGE,
  maxFragments: MAX_MESSAGE_FRAGMENTS,
  maxBufferedChunks: MAX_MESSAGE_CHUNKS,
  maxPendingAutoPongs: MAX_WAITING_PONGS,
  handshakeTimeout: UPGRADE_TIMEOUT_MS,
  closeTimeout: WEBSOCKET_CLOSE_TIMEOUT_MS,
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
  return new DuplexByteStream(await dialDuplex(address, ca, signal));
}

/** The same, as a stream of Node's; paused, and its later errors are heard. */
export async function dialDuplex(
  address: ServerAddress,
  ca: string | undefined,
  signal: AbortSignal,
): Promise<Duplex> {
  const { duplex, opened } = isWebSocket(address) ? webSocket(address, ca) : socket(address, ca);
  duplex.on('error', () => {});
  duplex.pause();
  try {
    await unlessAborted(opened, signal);
    return duplex;
  } catch (error) {
    duplex.destroy();
    throw unreachable(address, error, whyNotReached(address, error));
  }
}

type Dialing = { readonly duplex: Duplex; readonly opened: Promise<void> };

function socket({ transport, host, port }: ServerAddress, ca: string | undefined): Dialing {
  const tls = transport === 'tls';
  const stream: Socket = tls
    ? connectTls({ host, port, ...trustIn(ca), ...serverName(host) })
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
    ...(transport === 'wss' && { ...trustIn(ca), ...serverName(address.host) }),
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
