/**
 * The virtio-cryptodev device against `openssl speed`: the device's side alone, and the whole way of a
 * program there and back, in one thread and over a worker.
 */
import {
  type CryptoDevice,
  createEngine,
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

export async function run({ quick, progress }: BenchOptions): Promise<Row[]> {
  const sizes = quick ? [1024, 16_384] : [64, 1024, 4096, 16_384, 65_536];
  const rounds = quick ? 1 : 5;
  const seconds = quick ? 0.3 : 0.5;
  const rows: Row[] = [];
  await using loopback = await openLoopback();
  await using worker = await openVirtioCryptodev();
  for (const work of works) {
    for (const size of sizes) {
      progress(`${work.name}, ${size} bytes`);
      const side = await DeviceSide.create(work, size);
      const paths: [string, Measure][] = [
        ['device side', async (time) => side.run(time)],
        ['round trip, one thread', await roundTrip(loopback, work, size, threadSeconds)],
        ['round trip, worker', await roundTrip(worker, work, size, wallSeconds)],
      ];
      rows.push(...(await compare(work, size, paths, rounds, seconds)));
    }
  }
  return rows;
}

/** All paths and the peer in turn, several times: what disturbs the machine disturbs all of them. */
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
  for (let round = 0; round < rounds; round++) {
    limits.push(await opensslSpeed(work.name, size));
    for (const [i, [, measure]] of paths.entries()) values[i]!.push((await measure(seconds)) * size);
  }
  const limit = median(limits) / 1e6;
  return paths.map(([path], i) => {
    const value = median(values[i]!) / 1e6;
    return {
      bench: 'device',
      case: `${work.name}, ${path}, ${sizeName(size)}`,
      value,
      unit: 'MB/s',
      peer: 'openssl speed',
      limit,
      ratio: value / limit,
    };
  });
}

async function openLoopback(): Promise<CryptoDevice> {
  const device = new VirtioCryptodevDevice(await createEngine('openssl'));
  return VirtioCryptodevDriver.open(new LoopbackTransport(device));
}

/** Operations through the driver's API, 64 at a time. */
async function roundTrip(
  device: CryptoDevice,
  work: Work,
  size: number,
  clock: () => number,
): Promise<Measure> {
  const data = new Uint8Array(size);
  const iv = new Uint8Array(work.ivLength);
  const key = new Uint8Array(work.keyLength);
  const session =
    work.ivLength === 16
      ? await device.createSession({ cipher: 'aes-cbc', key })
      : await device.createSession({ aead: 'aes-gcm', key });
  return async (seconds) => {
    const start = clock();
    let requests = 0;
    let stopped = false;
    const keepGoing = async (): Promise<void> => {
      while (!stopped) {
        await session.encrypt(data, iv);
        requests += 1;
        // The clock costs a system call.
        if (requests % 64 === 0) stopped = clock() >= start + seconds;
      }
    };
    await Promise.all(Array.from({ length: inFlight }, keepGoing));
    return requests / (clock() - start);
  };
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
