import type { Duplex } from 'node:stream';
import type { AdmittedSocket } from './sockets.ts';

/** What a listener hands on. */
export interface Connection {
  /** What is said, without the transport around it. */
  readonly stream: Duplex;
  /** The address at its other end, as far as one knows. */
  readonly peer: string | undefined;
  /** Why it may not stay; whoever it is handed to tells it. It is closed by `Sockets`. */
  readonly refusal: string | undefined;
  /** To be called when its client is in a room: the transport then takes messages of full size. */
  entered(): void;
  /**
   * Has a listener told of all that comes by the wire, piece by piece, before what it says is handed on: what it costs, in bytes.
   * Pausing the stream keeps more from coming.
   */
  watch(listener: (cost: number) => void): void;
  /**
   * All bytes that came by the wire so far, where some bring nothing that `watch` is told of: those of TLS (handshakes, empty records,
   * new keys).
   */
  readonly wireBytes: (() => number) | undefined;
}

/** One step from an accepted socket to a connection: what is done with the stream; it may be closed by then. */
export type Layer = (stream: Duplex, admitted: AdmittedSocket) => void;

/** What a client may leave untaken in the buffers of its stream, in bytes. */
export const HIGH_WATER_MARK = 64 * 1024;
/**
 * What a socket's buffer is full with, in bytes, so that one piece fills it: a paused socket is then not read, and the system makes the client
 * wait. What has room for more would take it in pieces of one byte each, at a hundred times their size.
 */
export const SOCKET_HIGH_WATER_MARK = 1;
/** What each piece that comes counts at the least for the bytes that a client may send, in bytes: an empty one is work too. */
export const LEAST_COST = 512;
/**
 * What each frame of a WebSocket counts for them at the least, fragments and control frames too: the library makes about a kilobyte of
 * objects of the shortest, 9,000 of which come in one piece. So much that the settings' burst of bytes is spent by about as many of
 * these as their burst of the protocol's own frames allows, and who keeps to that never notices.
 */
export const WEB_SOCKET_FRAME_COST = 3 * 1024;

/**
 * What a byte that brings nothing costs, of those a client may send: records of TLS that are empty, or have new keys, are about so many
 * times smaller than `LEAST_COST`.
 */
export const EMPTY_BYTE_COST = 16;

/** What a transport may add to what is counted of its bytes: a record of TLS has some 30 bytes, and counts as `LEAST_COST` at the least. */
export const HONEST_OVERHEAD = 1 / 16;

/** `Connection.wireBytes` of a stream that is the socket, or TLS over it. */
export function wireBytesOf(stream: Duplex, { socket }: AdmittedSocket): (() => number) | undefined {
  return stream === socket ? undefined : () => socket.bytesRead;
}

/** `Connection.watch` of a stream that is its own transport. */
export function watchPieces(stream: Duplex, listener: (cost: number) => void): void {
  stream.on('data', (piece: Uint8Array) => listener(Math.max(piece.length, LEAST_COST)));
}
