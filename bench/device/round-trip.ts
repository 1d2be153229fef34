/**
 * The whole way of a program through the driver to the device and back: 64 operations in flight, in place in memory
 * of the device or with an array for each result.
 */
import {
  type CryptoDevice,
  createEngine,
  type DeviceMemory,
  type EngineName,
  openVirtioCryptodev,
  VirtioCryptoDevice,
  VirtioCryptoDriver,
  VirtioCryptodevDevice,
  VirtioCryptodevDriver,
} from '@skytale/cryptodev';
import { LoopbackTransport } from '@skytale/virtio';
import type { Work } from './device-requests.ts';
import { inFlight } from './device-side.ts';

/** In seconds. */
type Clock = () => number;

/** Shared between driver and device, in bytes: enough for all that is in flight. */
const memorySize = 64 * 1024 * 1024;

/** A device in this thread, measured by the thread's CPU time. */
export async function roundTripInOneThread(work: Work, size: number, engine: EngineName): Promise<RoundTrip> {
  const device = new VirtioCryptodevDevice(await createEngine(engine));
  const driver = await VirtioCryptodevDriver.open(new LoopbackTransport(device, { memorySize }));
  return RoundTrip.create(driver, work, size, threadSeconds);
}

/** The standard's device in this thread, measured by the thread's CPU time. Its driver copies. */
export async function roundTripOfStandard(work: Work, size: number, engine: EngineName): Promise<RoundTrip> {
  const device = new VirtioCryptoDevice(await createEngine(engine));
  const driver = await VirtioCryptoDriver.open(new LoopbackTransport(device, { memorySize }));
  return RoundTrip.create(driver, work, size, threadSeconds);
}

/** A device in a worker, measured by the clock on the wall. */
export async function roundTripOverWorker(work: Work, size: number, engine: EngineName): Promise<RoundTrip> {
  return RoundTrip.create(await openVirtioCryptodev({ engine, memorySize }), work, size, wallSeconds);
}

/** One encryption through the driver's API. Data and output, which a call in place uses, are the same memory. */
type Encrypt = (data: Uint8Array, output: Uint8Array) => Promise<unknown>;

/** Operations through the driver's API, 64 at a time. */
export class RoundTrip implements AsyncDisposable {
  readonly #device: CryptoDevice;
  readonly #size: number;
  readonly #memories: readonly DeviceMemory[];
  readonly #clock: Clock;
  readonly #inPlace: Encrypt;
  readonly #newArray: Encrypt;

  private constructor(
    device: CryptoDevice,
    size: number,
    memories: readonly DeviceMemory[],
    clock: Clock,
    inPlace: Encrypt,
    newArray: Encrypt,
  ) {
    this.#device = device;
    this.#size = size;
    this.#memories = memories;
    this.#clock = clock;
    this.#inPlace = inPlace;
    this.#newArray = newArray;
  }

  static async create(device: CryptoDevice, work: Work, size: number, clock: Clock): Promise<RoundTrip> {
    const data = new Uint8Array(size);
    const iv = new Uint8Array(work.ivLength);
    const key = new Uint8Array(work.keyLength);
    const memories = Array.from({ length: inFlight }, () => device.allocate(work.result(size)));
    if (work.ivLength === 16) {
      const cbc = await device.createSession({ cipher: 'aes-cbc', key });
      const inPlace: Encrypt = (from, to) => cbc.encryptInto(from, to, iv);
      return new RoundTrip(device, size, memories, clock, inPlace, () => cbc.encrypt(data, iv));
    }
    const gcm = await device.createSession({ aead: 'aes-gcm', key });
    const inPlace: Encrypt = (from, to) => gcm.encryptInto(from, to, iv);
    return new RoundTrip(device, size, memories, clock, inPlace, () => gcm.encrypt(data, iv));
  }

  inPlace(seconds: number): Promise<number> {
    return this.#run(seconds, this.#inPlace);
  }

  newArrays(seconds: number): Promise<number> {
    return this.#run(seconds, this.#newArray);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const memory of this.#memories) memory[Symbol.dispose]();
    await this.#device.close();
  }

  async #run(seconds: number, encrypt: Encrypt): Promise<number> {
    const clock = this.#clock;
    const start = clock();
    let requests = 0;
    let stopped = false;
    const keepGoing = async (output: Uint8Array): Promise<void> => {
      const data = output.length === this.#size ? output : output.subarray(0, this.#size);
      while (!stopped) {
        await encrypt(data, output);
        requests += 1;
        // The clock costs a system call.
        if (requests % 2048 === 0) stopped = clock() >= start + seconds;
      }
    };
    await Promise.all(this.#memories.map(({ bytes }) => keepGoing(bytes)));
    return requests / (clock() - start);
  }
}

function threadSeconds(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1e6;
}

function wallSeconds(): number {
  return performance.now() / 1000;
}
