/**
 * The virtio-cryptodev device against `openssl speed`: the device's side alone, which is also put beside calls of the
 * very OpenSSL that it uses, and the whole way of a program
 * there and back, in one thread and over a worker. The program works in place in memory of the device, as
 * `openssl speed` does in its buffer; beside that, the calls that give each result an array of its own.
 *
 * One thread is measured by its CPU time, as `openssl speed` is; what two threads do together by the clock on
 * the wall, which is worth something only where nothing else runs.
 */
import { createEngine } from '@skytale/cryptodev';
import { DevicePath, type DevicePathName, devicePaths } from './device/device-path.ts';
import { type Work, works } from './device/device-requests.ts';
import { opensslSpeed } from './openssl-speed.ts';
import { type BenchOptions, median, notMeasured, type Row } from './row.ts';

/** Measured once more with the engine that does these ciphers by another library. */
const batchedPaths: readonly DevicePathName[] = ['side', 'inPlace', 'workerInPlace'];

export async function run({ quick, progress }: BenchOptions): Promise<Row[]> {
  const sizes = quick ? [1024, 4096, 16_384] : [64, 1024, 4096, 16_384, 65_536];
  const rounds = quick ? 3 : 9;
  const seconds = quick ? 0.2 : 0.3;
  const batches = await createEngine('ipsec-mb').then(
    () => true,
    (reason: unknown) => reason,
  );
  const rows: Row[] = batches === true ? [] : [notMeasured('device', 'ipsec-mb', batches)];
  for (const work of works) {
    for (const size of sizes) {
      progress(`${work.name}, ${size} bytes`);
      rows.push(...(await compare(work, size, rounds, seconds, batches === true)));
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
  rounds: number,
  seconds: number,
  batches: boolean,
): Promise<Row[]> {
  await using stack = new AsyncDisposableStack();
  const paths: DevicePath[] = [];
  for (const name of Object.keys(devicePaths) as DevicePathName[]) {
    paths.push(stack.use(await DevicePath.start(name, work.name, size)));
  }
  if (batches) {
    for (const name of batchedPaths) {
      paths.push(stack.use(await DevicePath.start(name, work.name, size, 'ipsec-mb')));
    }
  }
  for (const path of paths) await path.measure(0.4);
  const limits: number[] = [];
  const values = paths.map((): number[] => []);
  const ratios = paths.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    const limit = await opensslSpeed(work.name, size);
    limits.push(limit);
    for (const [i, path] of paths.entries()) {
      const value = (await path.measure(seconds)) * size;
      values[i]!.push(value);
      ratios[i]!.push(value / limit);
    }
  }
  const row = (i: number, peer: string, limit: number, all: readonly number[]): Row => ({
    bench: 'device',
    case: `${work.name}, ${paths[i]!.title}, ${sizeName(size)}`,
    value: median(values[i]!) / 1e6,
    unit: 'MB/s',
    peer,
    limit: limit / 1e6,
    ratio: median(all),
  });
  const [raw, ...measured] = paths.keys();
  const rows = [];
  for (const i of measured) {
    rows.push(row(i, 'openssl speed', median(limits), ratios[i]!));
    if (!paths[i]!.title.startsWith(devicePaths.side.title)) continue;
    const ofRaw = values[i]!.map((value, round) => value / values[raw!]![round]!);
    rows.push(row(i, paths[raw!]!.title, median(values[raw!]!), ofRaw));
  }
  return rows;
}

function sizeName(bytes: number): string {
  return bytes < 1024 ? `${bytes} B` : `${bytes / 1024} KiB`;
}
