/**
 * /dev/cryptodev0 in a guest, from 16 B to 1 MiB, beside what else the guest can encrypt by: its own processor and
 * the standard's crypto device, both by AF_ALG; in one boot, under QEMU's TCG and under v86. Then what looking for
 * answers gains, having several requests under way, and handing over a program's own pages instead of copying them.
 */
import { breakEven } from './guest/break-even.ts';
import { type DriverGuest, launchOnQemu, launchOnV86 } from './guest/driver-guest.ts';
import { type BenchModule, type BenchOptions, median, notMeasured, type Row } from './row.ts';

type Plan = { sizes: readonly number[]; copySizes: readonly number[]; rounds: number; seconds: number };
const full: Plan = {
  sizes: [16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576],
  copySizes: [1024, 2048, 4096, 8192, 16_384, 65_536],
  rounds: 5,
  seconds: 0.2,
};
const quick: Plan = { sizes: [256, 4096, 65_536], copySizes: [1024, 65_536], rounds: 1, seconds: 0.1 };

const inFlight = 16;
const parameters = '/sys/module/virtio_cryptodev/parameters';

/** A way to have data encrypted in the guest. */
type Way = {
  readonly name: string;
  /** A shell command that prints for each size a line with requests a second. */
  readonly command: (size: number, seconds: number) => string;
  /** Finds them in the line. */
  readonly rate: RegExp;
};

const cryptodevTool = (how: string, options = ''): Way => ({
  name: `/dev/cryptodev0, ${how}`,
  command: (size, seconds) => `$tool speed -s ${seconds} ${options} aes-cbc ${size}`,
  rate: /([\d.]+) op\/s/,
});
const afAlg = (driver: string, name = driver): Way => ({
  name: `${name} by AF_ALG`,
  command: (size, seconds) => `$af_alg '${driver}' ${seconds * 1000} ${size}`,
  rate: /^\d+ ([\d.]+)$/,
});

const ours = cryptodevTool('1 in flight');
const overlapping = cryptodevTool(`${inFlight} in flight`, `-j ${inFlight}`);
const standards = afAlg('virtio_crypto_aes_cbc', 'virtio-crypto');
const copied = cryptodevTool('COP_FLAG_NO_ZC', '-n');
const pinned = { ...withParameter('copy_threshold', 0, ours), name: '/dev/cryptodev0, zero copy' };
const interrupted = { ...withParameter('poll_us', 0, ours), name: '/dev/cryptodev0, poll_us=0' };

/** The way, with a parameter of the driver set meanwhile. */
function withParameter(name: string, value: number, way: Way): Way {
  const file = `${parameters}/${name}`;
  return {
    ...way,
    command: (size, seconds) =>
      `kept=$(cat ${file}); echo ${value} >${file}; ${way.command(size, seconds)}; echo $kept >${file}`,
  };
}

/** Requests a second of each way for each size: medians. */
type Rates = ReadonlyMap<Way, readonly number[]>;

/** `npm run bench -- guest-driver` */
export const onQemu: BenchModule = { run: (options) => run('guest-driver', launchOnQemu, options) };
/** `npm run bench -- guest-driver-v86` */
export const onV86: BenchModule = { run: (options) => run('guest-driver-v86', launchOnV86, options) };

async function run(
  bench: string,
  launch: (progress: BenchOptions['progress']) => Promise<DriverGuest>,
  { quick: short, progress }: BenchOptions,
): Promise<Row[]> {
  progress(`${bench}: booting`);
  const launched = await launch(progress).catch((reason: unknown) => ({ reason }));
  if ('reason' in launched) return [notMeasured(bench, 'a Linux guest', launched.reason)];
  await using guest = launched;
  return await measureGuest(bench, guest, short ? quick : full, progress);
}

async function measureGuest(
  bench: string,
  guest: DriverGuest,
  { sizes, copySizes, rounds, seconds }: Plan,
  progress: BenchOptions['progress'],
): Promise<Row[]> {
  const peers = [...guest.ownCiphers.map((driver) => afAlg(driver)), standards];
  const ways = [ours, ...peers, interrupted, overlapping];
  const bySize: Rates[] = [];
  const byCopySize: Rates[] = [];
  for (let round = 0; round < rounds; round++) {
    progress(`${bench}: round ${round + 1} of ${rounds}`);
    bySize.push(await measureRound(guest, ways, sizes, seconds));
    byCopySize.push(await measureRound(guest, [pinned, copied], copySizes, seconds));
  }
  const beside = (way: Way, peer: Way) => compare(bench, guest.name, sizes, medians(bySize), way, peer);
  const copying = compare(bench, guest.name, copySizes, medians(byCopySize), pinned, copied);
  return [
    ...peers.flatMap((peer) => {
      const comparison = beside(ours, peer);
      return [...rows(comparison, 'MB/s'), breakEvenRow(comparison)];
    }),
    ...rows(beside(ours, interrupted), 'requests/s'),
    ...rows(beside(overlapping, ours), 'requests/s'),
    ...rows(beside(overlapping, interrupted), 'requests/s'),
    ...rows(copying, 'requests/s'),
    breakEvenRow(copying),
  ];
}

/** All ways on one size, one after the other, then on the next: what drifts, drifts for all of them. */
async function measureRound(
  guest: DriverGuest,
  ways: readonly Way[],
  sizes: readonly number[],
  seconds: number,
): Promise<Rates> {
  const commands = sizes.flatMap((size) => ways.map((way) => way.command(size, seconds)));
  const lines = (await guest.run(`set -e\n${commands.join('\n')}\n`)).trim().split('\n');
  const rateIn = (line: string | undefined, way: Way) => {
    const rate = Number(way.rate.exec(line ?? '')?.[1]);
    if (!(rate > 0)) throw new Error(`${way.name}: ${line} does not tell a rate`);
    return rate;
  };
  return new Map(ways.map((way, i) => [way, sizes.map((_, k) => rateIn(lines[k * ways.length + i], way))]));
}

function medians(rounds: readonly Rates[]): Rates {
  const [first] = rounds;
  return new Map(
    [...first!].map(([way, rates]) => [
      way,
      rates.map((_, i) => median(rounds.map((round) => round.get(way)![i]!))),
    ]),
  );
}

const sizeName = (size: number) =>
  size < 1024 ? `${size} B` : size < 1_048_576 ? `${size / 1024} KiB` : `${size / 1_048_576} MiB`;

/** A way beside another: requests a second on each size. */
type Comparison = {
  readonly bench: string;
  readonly name: string;
  readonly peer: string;
  readonly points: readonly { size: number; value: number; limit: number }[];
};

function compare(
  bench: string,
  guest: string,
  sizes: readonly number[],
  rates: Rates,
  way: Way,
  peer: Way,
): Comparison {
  const [values, limits] = [rates.get(way)!, rates.get(peer)!];
  const points = sizes.map((size, i) => ({ size, value: values[i]!, limit: limits[i]! }));
  return { bench, name: `${guest}, ${way.name}`, peer: peer.name, points };
}

function rows({ bench, name, peer, points }: Comparison, unit: 'MB/s' | 'requests/s'): Row[] {
  return points.map(({ size, value, limit }) => {
    const scale = unit === 'MB/s' ? size / 1e6 : 1;
    return {
      bench,
      case: `${name}, ${sizeName(size)}`,
      value: value * scale,
      unit,
      peer,
      limit: limit * scale,
      ratio: value / limit,
    };
  });
}

function breakEvenRow({ bench, name, peer, points }: Comparison): Row {
  const { size, words } = breakEven(
    points.map((point) => point.size),
    points.map(({ value, limit }) => value / limit),
  );
  const unit = Number.isNaN(size) ? '' : 'B';
  return { bench, case: `${name}, break-even${words}`, value: size, unit, peer };
}
