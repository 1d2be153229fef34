/**
 * The paths that are measured, each in a process of its own: what one leaves in the heap, and teaches the compiler, is
 * nothing to the others. (`openssl speed` is a process of its own as well.)
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { EngineName } from '@skytale/cryptodev';
import type { Work } from './device-requests.ts';
import { DeviceSide } from './device-side.ts';
import { rawOpenssl } from './raw-openssl.ts';
import { roundTripInOneThread, roundTripOfStandard, roundTripOverWorker } from './round-trip.ts';

/** Measures for so many seconds. @returns requests per second */
export type Measure = (seconds: number) => Promise<number>;

type Path = {
  readonly title: string;
  /** Sets up what is measured, for as long as the process lives. */
  prepare(work: Work, size: number, engine: EngineName): Promise<Measure>;
};

export const devicePaths = {
  raw: {
    title: 'the same OpenSSL',
    prepare: async (work, size) => rawOpenssl(work, size),
  },
  side: {
    title: 'device side',
    prepare: async (work, size, engine) => {
      const side = await DeviceSide.create(work, size, engine);
      return async (seconds) => side.run(seconds);
    },
  },
  inPlace: {
    title: 'round trip, one thread',
    prepare: async (work, size, engine) => {
      const trip = await roundTripInOneThread(work, size, engine);
      return (seconds) => trip.inPlace(seconds);
    },
  },
  newArrays: {
    title: 'round trip, one thread, new arrays',
    prepare: async (work, size, engine) => {
      const trip = await roundTripInOneThread(work, size, engine);
      return (seconds) => trip.newArrays(seconds);
    },
  },
  standard: {
    title: 'round trip, one thread, virtio-crypto',
    prepare: async (work, size, engine) => {
      const trip = await roundTripOfStandard(work, size, engine);
      return (seconds) => trip.inPlace(seconds);
    },
  },
  workerInPlace: {
    title: 'round trip, worker',
    prepare: async (work, size, engine) => {
      const trip = await roundTripOverWorker(work, size, engine);
      return (seconds) => trip.inPlace(seconds);
    },
  },
  workerNewArrays: {
    title: 'round trip, worker, new arrays',
    prepare: async (work, size, engine) => {
      const trip = await roundTripOverWorker(work, size, engine);
      return (seconds) => trip.newArrays(seconds);
    },
  },
} satisfies Record<string, Path>;

export type DevicePathName = keyof typeof devicePaths;

/** A process that measures one path. */
export class DevicePath implements AsyncDisposable {
  readonly title: string;
  readonly #process: ChildProcess;

  private constructor(title: string, process: ChildProcess) {
    this.title = title;
    this.#process = process;
  }

  static async start(
    name: DevicePathName,
    work: string,
    size: number,
    engine: EngineName = 'openssl',
  ): Promise<DevicePath> {
    const module = new URL('./device-path-process.ts', import.meta.url);
    const title = `${devicePaths[name].title}${engine === 'openssl' ? '' : `, ${engine}`}`;
    return new DevicePath(title, fork(module, [name, work, `${size}`, engine]));
  }

  /** @throws {Error} if the process ends instead of answering */
  async measure(seconds: number): Promise<number> {
    const stopped = new AbortController();
    const ended = once(this.#process, 'exit', { signal: stopped.signal }).then(() => {
      throw new Error(`the process that measures ${this.title} ended`);
    });
    this.#process.send(seconds);
    try {
      const [rate] = await Promise.race([once(this.#process, 'message', { signal: stopped.signal }), ended]);
      return rate as number;
    } finally {
      ended.catch(() => {});
      stopped.abort();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill();
    await ended;
  }
}
