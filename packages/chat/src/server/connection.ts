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
}

/** One step from an accepted socket to a connection: what is done with the stream; it may be closed by then. */
export type Layer = (stream: Duplex, admitted: AdmittedSocket) => void;

/** What a client costs at most in buffers of its stream, in bytes, in each direction. */
export const HIGH_WATER_MARK = 64 * 1024;
