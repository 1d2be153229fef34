import { Duplex } from 'node:stream';
import { concat, copyOf } from '../bytes.ts';
import type { Clock } from '../clock.ts';
import type { SeededRandom } from './seeded-random.ts';

/** Bytes on their way in one direction before the sender has to wait, as a TCP window bounds them. */
const WINDOW_BYTES = 64 * 1024;

/** What somebody on the way does with what one side sends: gets whole frames, gives what is passed on. */
export type Tamper = (frame: Uint8Array) => readonly Uint8Array[];

export interface NetworkConditions {
  /** Longest time on the way, in milliseconds; each piece takes some time up to it. */
  readonly latency: number;
  /** How likely a write is cut into pieces. */
  readonly cutting: number;
}

/** Takes connections at one address. */
export type Listener = (stream: Duplex, peer: string) => void;

/**
 * Streams between parts of one process: in order and without loss, as TCP has it, until they are cut. What differs
 * from run to run is when bytes arrive, in what pieces, and when a connection breaks; between connections there is no order.
 */
export class SimulatedNetwork {
  readonly #clock: Clock;
  readonly #random: SeededRandom;
  readonly #conditions: NetworkConditions;
  readonly #listeners = new Map<string, Listener>();
  readonly #links = new Set<Link>();

  constructor(clock: Clock, random: SeededRandom, conditions: NetworkConditions) {
    this.#clock = clock;
    this.#random = random;
    this.#conditions = conditions;
  }

  /** Connections that are there, seen from at least one side. */
  get links(): readonly Link[] {
    return [...this.#links];
  }

  /** Breaks all of them. */
  cutAll(): void {
    for (const link of this.links) link.cut();
  }

  /** Listens at an address until the result is disposed of. */
  listen(address: string, listener: Listener): Disposable {
    this.#listeners.set(address, listener);
    return {
      [Symbol.dispose]: () => {
        if (this.#listeners.get(address) === listener) this.#listeners.delete(address);
      },
    };
  }

  /**
   * Connects. Rejects with ECONNREFUSED where nobody listens.
   * @param peer the address that the listener sees
   */
  async connect(address: string, peer: string): Promise<Link> {
    await new Promise<void>((resolve) => this.#clock.after(this.#delay(), resolve));
    const listener = this.#listeners.get(address);
    if (listener === undefined)
      throw Object.assign(new Error('connection refused'), { code: 'ECONNREFUSED' });
    const link = new Link(
      { clock: this.#clock, delay: () => this.#delay(), pieces: (bytes) => this.#pieces(bytes) },
      () => this.#links.delete(link),
    );
    this.#links.add(link);
    listener(link.server, peer);
    return link;
  }

  #delay(): number {
    return this.#random.fraction() * this.#conditions.latency;
  }

  #pieces(bytes: Uint8Array): readonly Uint8Array[] {
    if (bytes.length < 2 || !this.#random.chance(this.#conditions.cutting)) return [bytes];
    const at = this.#random.between(1, bytes.length - 1);
    return [bytes.subarray(0, at), bytes.subarray(at)];
  }
}

interface Weather {
  readonly clock: Clock;
  delay(): number;
  pieces(bytes: Uint8Array): readonly Uint8Array[];
}

/** One connection: two ends, and the way between them in each direction. */
export class Link {
  readonly client: Duplex;
  readonly server: Duplex;
  readonly #up: Pipe;
  readonly #down: Pipe;
  readonly #gone: () => void;
  #ends = 2;

  constructor(weather: Weather, gone: () => void) {
    this.#gone = gone;
    this.#up = new Pipe(weather);
    this.#down = new Pipe(weather);
    this.client = new End(this.#down, this.#up, () => this.#closed());
    this.server = new End(this.#up, this.#down, () => this.#closed());
    // It may be cut before anybody has it.
    for (const end of [this.client, this.server]) end.on('error', () => undefined);
  }

  /** Breaks: what is under way is lost, and both ends are told so. */
  cut(): void {
    this.#up.lose();
    this.#down.lose();
    for (const end of [this.client, this.server]) {
      end.destroy(Object.assign(new Error('connection reset'), { code: 'ECONNRESET' }));
    }
  }

  /** Nothing arrives any more in one direction, and nobody is told so. */
  silence(direction: 'up' | 'down'): void {
    (direction === 'up' ? this.#up : this.#down).silent = true;
  }

  /** One side is told that the other has ended, which has not: what that sends is lost, and what is sent to it arrives. */
  halfClose(direction: 'up' | 'down'): void {
    (direction === 'up' ? this.#up : this.#down).end();
  }

  /** From now on somebody handles what one side sends, frame by frame. */
  tamper(direction: 'up' | 'down', tamper: Tamper): void {
    (direction === 'up' ? this.#up : this.#down).tamper = tamper;
  }

  #closed(): void {
    this.#ends -= 1;
    if (this.#ends === 0) this.#gone();
  }
}

/** Bytes on their way in one direction. */
class Pipe {
  readonly #weather: Weather;
  /** Arrived, and not yet taken. */
  #arrived: (Uint8Array | 'end')[] = [];
  #bytes = 0;
  #lastArrival = 0;
  #lost = false;
  #ended = false;
  #rest: Uint8Array = new Uint8Array(0);
  #onRoom: (() => void) | undefined;
  silent = false;
  tamper: Tamper | undefined;
  /** Takes what arrives while it returns true. */
  sink: ((piece: Uint8Array | 'end') => boolean) | undefined;

  constructor(weather: Weather) {
    this.#weather = weather;
  }

  /** Takes bytes; calls `done` when there is room for more. */
  write(bytes: Uint8Array, done: () => void): void {
    // What was written is the writer's to change.
    const own = copyOf(bytes);
    for (const piece of this.tamper === undefined ? [own] : this.#tampered(own, this.tamper))
      this.#send(piece);
    if (this.#bytes < WINDOW_BYTES) done();
    else this.#onRoom = done;
  }

  /** What is written after that is lost. */
  end(): void {
    if (!this.#ended) this.#schedule('end');
    this.#ended = true;
  }

  /** Gives on what has arrived, as far as it is taken. */
  flow(): void {
    while (this.#arrived.length > 0 && !this.#lost && this.sink !== undefined) {
      const next = this.#arrived.shift()!;
      if (next !== 'end') this.#bytes -= next.length;
      if (!this.sink(next)) break;
    }
    if (this.#bytes < WINDOW_BYTES && this.#onRoom !== undefined) {
      const done = this.#onRoom;
      this.#onRoom = undefined;
      done();
    }
  }

  lose(): void {
    this.#lost = true;
    this.#arrived = [];
  }

  #send(bytes: Uint8Array): void {
    if (this.#ended) return;
    for (const piece of this.#weather.pieces(bytes)) {
      this.#bytes += piece.length;
      this.#schedule(piece);
    }
  }

  #schedule(what: Uint8Array | 'end'): void {
    const { clock } = this.#weather;
    this.#lastArrival = Math.max(this.#lastArrival, clock.monotonic() + this.#weather.delay());
    clock.after(this.#lastArrival - clock.monotonic(), () => {
      if (this.#lost || this.silent) return;
      this.#arrived.push(what);
      this.flow();
    });
  }

  /** Cuts the stream into frames: a length of 32 bits, and so many bytes. */
  #tampered(bytes: Uint8Array, tamper: Tamper): Uint8Array[] {
    let rest: Uint8Array = concat(this.#rest, bytes);
    const passed: Uint8Array[] = [];
    while (rest.length >= 4) {
      const length = 4 + new DataView(rest.buffer, rest.byteOffset).getUint32(0);
      if (rest.length < length) break;
      passed.push(...tamper(rest.slice(0, length)));
      rest = rest.subarray(length);
    }
    this.#rest = rest;
    return passed;
  }
}

/** A socket as Node has it, at one end of a link. */
class End extends Duplex {
  readonly #incoming: Pipe;
  readonly #outgoing: Pipe;
  readonly #closed: () => void;

  constructor(incoming: Pipe, outgoing: Pipe, closed: () => void) {
    super({ allowHalfOpen: true });
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    this.#closed = closed;
    incoming.sink = undefined;
  }

  override _read(): void {
    this.#incoming.sink = (piece) => {
      if (this.destroyed) return true;
      const more = this.push(piece === 'end' ? null : piece);
      if (!more) this.#incoming.sink = undefined;
      return more;
    };
    this.#incoming.flow();
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: () => void): void {
    this.#outgoing.write(chunk, done);
  }

  override _final(done: () => void): void {
    this.#outgoing.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#outgoing.end();
    this.#incoming.sink = undefined;
    this.#closed();
    done(error);
  }
}
