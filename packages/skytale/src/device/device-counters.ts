/** What a device counts, in memory that other threads may read at any time. One thread counts. */

export const deviceCounters = ['requests', 'errors', 'bytes', 'sessions'] as const;
export type DeviceStatistics = Readonly<Record<(typeof deviceCounters)[number], number>>;

export class DeviceCounters {
  readonly #values: Float64Array<SharedArrayBuffer>;

  constructor(buffer = new SharedArrayBuffer(deviceCounters.length * Float64Array.BYTES_PER_ELEMENT)) {
    this.#values = new Float64Array(buffer);
  }

  /** To make another `DeviceCounters` of the same numbers, in another thread. */
  get buffer(): SharedArrayBuffer {
    return this.#values.buffer;
  }

  publish(statistics: DeviceStatistics): void {
    for (const [place, name] of deviceCounters.entries()) this.#values[place] = statistics[name];
  }

  read(): DeviceStatistics {
    return Object.fromEntries(
      deviceCounters.map((name, place) => [name, this.#values[place]!]),
    ) as DeviceStatistics;
  }
}
