/** What a device counts, in memory that other threads may read at any time. One thread counts. */

const places = { requests: 0, errors: 1, bytes: 2, sessions: 3 } as const;
export type DeviceStatistics = Readonly<Record<keyof typeof places, number>>;

export class DeviceCounters {
  readonly #values: Float64Array<SharedArrayBuffer>;
  /** Open files: of one model of device, and not reported. */
  handles = 0;

  constructor(buffer = new SharedArrayBuffer(Object.keys(places).length * Float64Array.BYTES_PER_ELEMENT)) {
    this.#values = new Float64Array(buffer);
  }

  /** To make another `DeviceCounters` of the same numbers, in another thread. */
  get buffer(): SharedArrayBuffer {
    return this.#values.buffer;
  }

  get requests(): number {
    return this.#values[places.requests]!;
  }

  set requests(count: number) {
    this.#values[places.requests] = count;
  }

  /** Requests answered with an error. */
  get errors(): number {
    return this.#values[places.errors]!;
  }

  set errors(count: number) {
    this.#values[places.errors] = count;
  }

  get bytes(): number {
    return this.#values[places.bytes]!;
  }

  set bytes(count: number) {
    this.#values[places.bytes] = count;
  }

  /** Open now. */
  get sessions(): number {
    return this.#values[places.sessions]!;
  }

  set sessions(count: number) {
    this.#values[places.sessions] = count;
  }

  read(): DeviceStatistics {
    const { requests, errors, bytes, sessions } = this;
    return { requests, errors, bytes, sessions };
  }
}
