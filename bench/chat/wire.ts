/** What the load generator needs to know of a protocol. It reads no more than lengths, of both. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface Wire {
  /**
   * Connects, subscribes or joins; resolves with a socket that nobody reads, and what came behind the answer.
   * @param options `readAll: false`: does not wait until all that there is has been read
   */
  open(address: Address, options?: { readonly readAll: boolean }): Promise<Opened>;
  /** `count` messages to be published on one connection, each with `stamp` (8 bytes) at the begin of its payload. */
  encode(connection: Sender, count: number, stamp: number): Buffer;
  /** As many bytes of a frame are needed to tell how long it is. */
  readonly lengthBytes: number;
  /** As many are needed to tell what it is; a shorter frame is no message. */
  readonly headerBytes: number;
  /** Length of the frame that begins at `at`. */
  frameBytes(bytes: Buffer, at: number): number;
  /** Whether it is a message of somebody else than `self`. */
  isMessage(bytes: Buffer, at: number, self: number): boolean;
  /** Where a message's payload begins in its frame. */
  readonly payloadAt: number;
}

export interface Opened {
  readonly socket: Socket;
  readonly rest: Buffer;
  /** The begin of its member id, where there is one. */
  readonly self: number;
}

/** A connection that publishes; `sent` counts its messages. */
export interface Sender {
  sent: number;
}

/** Bytes of a message's payload: a line of chat, encrypted and signed. */
export const PAYLOAD_BYTES = 256;

/**
 * Connects, and reads until `answered`, which is shown all that came so far and may write, returns the offset
 * behind the end of the greeting; -1 to go on.
 */
export async function greet(
  address: Address,
  answered: (received: Buffer, socket: Socket) => number,
): Promise<Omit<Opened, 'self'>> {
  const socket = connect({ ...address, noDelay: true });
  await once(socket, 'connect');
  let received: Buffer = Buffer.alloc(0);
  for (;;) {
    const [piece] = (await once(socket, 'data')) as [Buffer];
    // Nothing that comes before somebody listens again may be lost.
    socket.pause();
    received = Buffer.concat([received, piece]);
    const end = answered(received, socket);
    if (end >= 0) return { socket, rest: received.subarray(end) };
    socket.resume();
  }
}
