/**
 * The virtio-cryptodev device against `openssl speed`: the device's side alone, and the whole way of a program
 * there and back, in one thread and over a worker. The program works in place in memory of the device, as
 * `openssl speed` does in its buffer; beside that, the calls that give each result an array of its own.
 *
 * One thread is measured by its CPU time, as `openssl speed` is; what two threads do together by the clock on
 * the wall, which is worth something only where nothing else runs.
 */
import {
  type CryptoDevice,
  createEngine,
  type DeviceMemory,
  openVirtioCryptodev,
  VirtioCryptodevDevice,
  VirtioCryptodevDriver,
} from '@skytale/cryptodev';
import { LoopbackTransport } from '@skytale/virtio';
import { type Work, works } from './device-requests.ts';
import { DeviceSide, inFlight } from './device-side.ts';
import { opensslSpeed } from './openssl-speed.ts';
import { type BenchOptions, median, type Row } from './row.ts';

/** Measures for so many seconds. @returns requests per second */
type Measure = (seconds: number) => Promise<number>;
type Clock = () => number;

/** Shared between driver and device, in bytes: enough for all that is in flight. */
const memorySize = 64 * 1024 * 1024;

export async function run({ quick, progress }: BenchOptions): Promise<Row[]> {
  const sizes = quick ? [1024, 4096, 16_384] : [64, 1024, 4096, 16_384, 65_536];
  const rounds = quick ? 3 : 9;
  const seconds = quick ? 0.2 : 0.3;
  const rows: Row[] = [];
  await using loopback = await openLoopback();
  await using worker = await openVirtioCryptodev({ memorySize });
  for (const work of works) {
    for (const size of sizes) {
      progress(`${work.name}, ${size} bytes`);
      const side = await DeviceSide.create(work, size);
      await using one = await RoundTrip.create(loopback, work, size, threadSeconds);
      await using two = await RoundTrip.create(worker, work, size, wallSeconds);
      const paths: [string, Measure][] = [
        ['device side', async (time) => side.run(time)],
        ['round trip, one thread', (time) => one.inPlace(time)],
        ['round trip, one thread, new arrays', (time) => one.newArrays(time)],
        ['round trip, worker', (time) => two.inPlace(time)],
        ['round trip, worker, new arrays', (time) => two.newArrays(time)],
      ];
      rows.push(...(await compare(work, size, paths, rounds, seconds)));
    }
  }
  return rows;
}

/**
 * All paths and the peer in turn, several times, and the median of the ratios of each turn: what disturbs the
 * machine disturbs both sides of a ratio, or few of them.
 */
async function compare(
  work: Work,
  size: number,
  paths: readonly [string, Measure][],
  rounds: number,
  seconds: number,
): Promise<Row[]> {
  for (const [, measure] of paths) await measure(0.2);
  const limits: number[] = [];
  const values = paths.map((): number[] => []);
  const ratios = paths.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    const limit = await opensslSpeed(work.name, size);
    limits.push(limit);
    for (const [i, [, measure]] of paths.entries()) {
      const value = (await measure(seconds)) * size;
      values[i]!.push(value);
      ratios[i]!.push(value / limit);
    }
  }
  return paths.map(([path], i) => ({
    bench: 'device',
    case: `${work.name}, ${path}, ${sizeName(size)}`,
    value: median(values[i]!) / 1e6,
    unit: 'MB/s',
    peer: 'openssl speed',
    limit: median(limits) / 1e6,
    ratio: median(ratios[i]!),
  }));
}

async function openLoopback(): Promise<CryptoDevice> {
  const device = new VirtioCryptodevDevice(await createEngine('openssl'));
  return VirtioCryptodevDriver.open(new LoopbackTransport(device, { memorySize }));
}

/** One encryption through the driver's API. Data and output, which a call in place uses, are the same memory. */
type Encrypt = (data: Uint8Array, output: Uint8Array) => Promise<unknown>;

/** Operations through the driver's API, 64 at a time. */
class RoundTrip implements AsyncDisposable {
  readonly #session: AsyncDisposable;
  readonly #size: number;
  readonly #memories: readonly DeviceMemory[];
  readonly #clock: Clock;
  readonly #inPlace: Encrypt;
  readonly #newArray: Encrypt;

  private constructor(
    session: AsyncDisposable,
    size: number,
    memories: readonly DeviceMemory[],
    clock: Clock,
    inPlace: Encrypt,
    newArray: Encrypt,
  ) {
    this.#session = session;
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
      return new RoundTrip(cbc, size, memories, clock, inPlace, () => cbc.encrypt(data, iv));
    }
    const gcm = await device.createSession({ aead: 'aes-gcm', key });
    const inPlace: Encrypt = (from, to) => gcm.encryptInto(from, to, iv);
    return new RoundTrip(gcm, size, memories, clock, inPlace, () => gcm.encrypt(data, iv));
  }

  inPlace(seconds: number): Promise<number> {
    return this.#run(seconds, this.#inPlace);
  }

  newArrays(seconds: number): Promise<number> {
    return this.#run(seconds, this.#newArray);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const memory of this.#memories) memory[Symbol.dispose]();
    await this.#session[Symbol.asyncDispose]();
  }

  async #run(seconds: number, encrypt: Encrypt): Promise<number> {
    const clock = this.#clock;
    const start = clock();
    let requests = 0;
    let stopped = false;
    const keepGoing = async (output: Uint8Array): Promise<void> => {
      const data = output.subarray(0, this.#size);
      while (!stopped) {
        await encrypt(data, output);
        requests += 1;
        // The clock costs a system call.
        if (requests % 256 === 0) stopped = clock() >= start + seconds;
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

function sizeName(bytes: number): string {
  return bytes < 1024 ? `${bytes} B` : `${bytes / 1024} KiB`;
}
