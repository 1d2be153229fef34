/** What a back end tells of itself. Plain data: it crosses threads. */

export type BackendEvent =
  | { readonly event: 'listening'; readonly socket: string }
  /** A front end has connected; connections are numbered from 1. */
  | { readonly event: 'attached'; readonly connection: number }
  /** The driver's features, as the front end passed them on, and the protocol's, both in hexadecimal. */
  | {
      readonly event: 'features';
      readonly connection: number;
      readonly features: string;
      readonly protocolFeatures: string;
    }
  | {
      readonly event: 'ring-started' | 'ring-stopped';
      readonly connection: number;
      readonly ring: number;
      readonly size: number;
    }
  /** A request of the front end that was not granted; the connection goes on. */
  | {
      readonly event: 'refused';
      readonly connection: number;
      readonly request: string;
      readonly reason: string;
    }
  /** The driver broke a rule, or the device failed: DEVICE_NEEDS_RESET. */
  | { readonly event: 'broken'; readonly connection: number; readonly code: string; readonly reason: string }
  | { readonly event: 'reset'; readonly connection: number }
  /** `code` is undefined if the front end just closed the connection. */
  | {
      readonly event: 'detached';
      readonly connection: number;
      readonly reason: string;
      readonly code: string | undefined;
    };

/** Place of each counter. */
const COUNTERS = {
  connections: 0,
  messages: 1,
  refused: 2,
  protocolErrors: 3,
  broken: 4,
  kicks: 5,
  calls: 6,
  requests: 7,
  readableBytes: 8,
  writableBytes: 9,
} as const;

export type CounterName = keyof typeof COUNTERS;

/** Totals since the start, in memory that other threads may read at any time. One thread counts. */
export class Counters {
  readonly #values: Float64Array;

  constructor(
    buffer: ArrayBufferLike = new SharedArrayBuffer(
      Object.keys(COUNTERS).length * Float64Array.BYTES_PER_ELEMENT,
    ),
  ) {
    this.#values = new Float64Array(buffer);
  }

  /** To make another `Counters` of the same numbers. */
  get buffer(): ArrayBufferLike {
    return this.#values.buffer;
  }

  add(name: CounterName, amount = 1): void {
    this.#values[COUNTERS[name]]! += amount;
  }

  read(): Record<CounterName, number> {
    return Object.fromEntries(
      Object.entries(COUNTERS).map(([name, i]) => [name, this.#values[i]!]),
    ) as Record<CounterName, number>;
  }
}
