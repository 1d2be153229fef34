import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Clock } from '../clock.ts';
import { ConnectionLimits, networkOf } from './connection-limits.ts';

/**
 * Sockets that are told why they are refused; who comes when there are that many is closed without a word. They come
 * on top of the connections that the settings allow.
 */
const MAX_REFUSALS = 64;

export interface SocketLimits {
  /** 0: no limit; the same of the next. */
  readonly maxConnections: number;
  /** Of one IPv4 address, or of one IPv6 /64 network. */
  readonly maxConnectionsPerAddress: number;
  /** Longest time from accept until a socket has become a connection, or is closed. */
  readonly helloTimeoutMs: number;
  /** The same of one that is answered with pages, from the first of them on. */
  readonly writeTimeoutMs: number;
  /** Longest life of a socket that is refused, from when that is known. */
  readonly closeTimeoutMs: number;
}

/**
 * Every socket that a server has accepted, in whatever state it is: proxy's header, TLS handshake, HTTP request, refusal
 * or connection.
 *
 * 1. Whatever accepts a socket MUST hand it to `admit` before anything else is done with it, and nobody else counts sockets.
 * 2. A socket that is admitted has a place in the total until the system has closed it, and a place in its network from
 *    `belongsTo` on. Both are given back by its `close` event and by nothing else.
 * 3. It MUST become a connection (`AdmittedSocket.becameConnection`) within the hello time-out: it is destroyed
 *    otherwise, whatever it did in between. So handshakes, headers and refusals need no time-outs of their own. One that is
 *    answered with a page (`isAnswered`) has the write time-out from then on, once, however many it asks for.
 * 4. One that is refused is destroyed after the close time-out, whether its peer takes the reason, hangs up, or not.
 *
 * Each step is O(1) for any number of sockets; a socket costs about 300 bytes here, and a timer until it is a connection.
 */
export class Sockets {
  readonly #limits: SocketLimits;
  readonly #clock: Clock;
  readonly #places: ConnectionLimits;
  readonly #onCount: (open: number) => void;
  /** By their ends: a TLS socket has the same as the socket below it. */
  readonly #open = new Map<string, AdmittedSocket>();
  #count = 0;
  #refusals = 0;
  /** What each admitted socket sees of this. */
  readonly #among: Among = {
    enterNetwork: (network) => this.#places.enterNetwork(network),
    refused: () => {
      this.#refusals += 1;
      return this.#refusals <= MAX_REFUSALS;
    },
  };

  /** @param onCount told how many sockets are open, whenever that changes */
  constructor(limits: SocketLimits, clock: Clock, onCount: (open: number) => void) {
    this.#limits = limits;
    this.#clock = clock;
    this.#places = new ConnectionLimits(limits.maxConnections, limits.maxConnectionsPerAddress);
    this.#onCount = onCount;
  }

  /** Sockets that are open. */
  get count(): number {
    return this.#count;
  }

  /** Takes a socket that was accepted now. `undefined`: there is no place, and it is destroyed already. */
  admit(socket: Socket): AdmittedSocket | undefined {
    socket.on('error', () => undefined);
    const ends = endsOf(socket);
    // Without its ends it has been reset since.
    if (ends === undefined) return destroyed(socket);
    const refusal = this.#places.enter();
    if (refusal !== undefined && this.#refusals >= MAX_REFUSALS) return destroyed(socket);
    const admitted = new AdmittedSocket(socket, this.#limits, this.#clock, this.#among);
    // The system has one connection between two ends: an older one is over, and its end has only not been read yet.
    this.#open.get(ends)?.socket.destroy();
    this.#open.set(ends, admitted);
    this.#changeCount(1);
    socket.on('close', () => {
      if (this.#open.get(ends) === admitted) this.#open.delete(ends);
      admitted.closed();
      if (admitted.refusal !== undefined) this.#refusals -= 1;
      if (admitted.network !== undefined) this.#places.leaveNetwork(admitted.network);
      if (refusal === undefined) this.#places.leave();
      this.#changeCount(-1);
    });
    if (refusal !== undefined) admitted.refuse(refusal);
    return admitted;
  }

  #changeCount(by: number): void {
    this.#count += by;
    this.#onCount(this.#count);
  }

  /** What was admitted below a stream that is it, or TLS over it; `undefined` if it is closed. */
  of(stream: Duplex): AdmittedSocket | undefined {
    const ends = endsOf(stream as Socket);
    return ends === undefined ? undefined : this.#open.get(ends);
  }

  /** Destroys those that are neither connections nor are being told that they are refused. */
  destroyUnfinished(): void {
    for (const admitted of this.#open.values()) {
      if (!admitted.isConnection && admitted.refusal === undefined) admitted.socket.destroy();
    }
  }

  /** Destroys all, in whatever state they are. */
  destroyAll(): void {
    for (const { socket } of this.#open.values()) socket.destroy();
  }
}

/** What a socket asks of those that it stands among. */
interface Among {
  /** Returns why there is no place. */
  enterNetwork(network: string): string | undefined;
  /** @returns whether it may be told why */
  refused(): boolean;
}

/** One accepted socket, until it is closed. */
export class AdmittedSocket {
  readonly socket: Socket;
  /** The address that its network is counted by: its own, or what a trusted proxy says. */
  peer: string | undefined;
  /** The network whose place it has. */
  network: string | undefined;
  /** Why it may not become a connection: to be told, and then closed. */
  refusal: string | undefined;
  isConnection = false;
  readonly #limits: SocketLimits;
  readonly #clock: Clock;
  readonly #among: Among;
  #deadline: Disposable | undefined;
  #answered = false;

  constructor(socket: Socket, limits: SocketLimits, clock: Clock, among: Among) {
    this.socket = socket;
    this.peer = socket.remoteAddress;
    this.#limits = limits;
    this.#clock = clock;
    this.#among = among;
    this.#endWithin(limits.helloTimeoutMs);
  }

  /** Counts it for the network of an address from now on. Once: who it belongs to does not change. */
  belongsTo(peer: string | undefined): void {
    if (this.network !== undefined || this.refusal !== undefined) return;
    this.peer = peer;
    const network = networkOf(peer);
    const refusal = this.#among.enterNetwork(network);
    if (refusal === undefined) this.network = network;
    else this.refuse(refusal);
  }

  /** It is to be told `text`, or something else that means no, and has the close time-out to take that. */
  refuse(text: string): void {
    if (this.refusal !== undefined || this.socket.destroyed) return;
    this.refusal = text;
    if (this.#among.refused()) this.#endWithin(this.#limits.closeTimeoutMs);
    else this.socket.destroy();
  }

  /** It is sent a page: slow networks have the time to take it. A second page does not give it more. */
  isAnswered(): void {
    if (this.#answered || this.isConnection || this.refusal !== undefined) return;
    this.#answered = true;
    this.#endWithin(this.#limits.writeTimeoutMs);
  }

  /** Whoever has its stream sees to its time-outs from now on. One that is refused keeps its deadline. */
  becameConnection(): void {
    if (this.refusal !== undefined) return;
    this.isConnection = true;
    this.#deadline?.[Symbol.dispose]();
    this.#deadline = undefined;
  }

  closed(): void {
    this.#deadline?.[Symbol.dispose]();
  }

  #endWithin(ms: number): void {
    this.#deadline?.[Symbol.dispose]();
    this.#deadline = this.#clock.after(ms, () => this.socket.destroy());
  }
}

/** Names a TCP connection among all that are open; `undefined` if it no longer is. */
function endsOf({ localAddress, localPort, remoteAddress, remotePort }: Socket): string | undefined {
  if (remotePort === undefined || localPort === undefined) return undefined;
  return `${localAddress} ${localPort} ${remoteAddress} ${remotePort}`;
}

function destroyed(socket: Socket): undefined {
  socket.destroy();
  return undefined;
}
