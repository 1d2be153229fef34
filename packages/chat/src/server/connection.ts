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
/**
 * What each piece that comes, and each frame of a WebSocket, counts at the least for the bytes that a client may send, in bytes: an
 * empty one is work too. So little that who keeps to the rate of frames never notices.
 */
export const LEAST_COST = 512;

/** `Connection.watch` of a stream that is its own transport. */
export function watchPieces(stream: Duplex, listener: (cost: number) => void): void {
  stream.on('data', (piece: Uint8Array) => listener(Math.max(piece.length, LEAST_COST)));
}
