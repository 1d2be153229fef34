/**
 * The standard's crypto device behind a vhost-user socket, without a virtual machine: AES-128-CBC in place on
 * shared memory, 64 requests in flight, against `openssl speed` and against DPDK's vhost_crypto. A figure of one
 * thread is both halves together on one processor; of two threads, and of DPDK, a front end that polls drives a
 * back end on another.
 */
import { opensslSpeed } from './openssl-speed.ts';
import { type BenchOptions, median, notMeasured, type Row } from './row.ts';
import { type Driven, inDpdk, inThisThread, inWorker, sessionsInThisThread } from './vhost-user/back-ends.ts';
import { inFlight } from './vhost-user/crypto-load.ts';
import { buildDpdk, dpdkLargest, dpdkProcessor } from './vhost-user/dpdk.ts';
import { avoidProcessor } from './vhost-user/processors.ts';

const cipher = 'aes-128-cbc';
const sizes = [64, 1024, dpdkLargest, 4096, 16_384, 65_536];
const DPDK = "DPDK's vhost_crypto";

type Plan = { sizes: readonly number[]; rounds: number; seconds: number; samples: number };
const full: Plan = { sizes, rounds: 5, seconds: 0.5, samples: 10_000 };
const quick: Plan = { sizes: [64, 1024], rounds: 3, seconds: 0.2, samples: 1000 };

/** Something that is measured beside others. */
type Runner = {
  readonly name: string;
  /** How many a second, measured for so many seconds. */
  readonly rate: (seconds: number) => Promise<number> | number;
};

export async function run({ quick: short, progress }: BenchOptions): Promise<Row[]> {
  const plan = short ? quick : full;
  await using stack = new AsyncDisposableStack();
  const one = stack.use(await inThisThread('openssl'));
  const two = stack.use(await inWorker('openssl'));
  const batches = await startBatches(stack);
  const dpdk = await startDpdk(stack, progress);
  const peers = Array.isArray(dpdk) ? dpdk : [];
  stack.use(avoidProcessor(dpdkProcessor));
  const rows: Row[] = Array.isArray(dpdk) ? [] : [notMeasured('vhost-user', DPDK, dpdk.reason)];
  if (!Array.isArray(batches)) rows.push(notMeasured('vhost-user', 'ipsec-mb', batches.reason));
  const ours = [
    { ...one, name: 'one thread', clock: cpuSeconds },
    { ...two, name: 'two threads', clock: wallSeconds },
    ...(Array.isArray(batches) ? batches : []),
  ];
  for (const size of plan.sizes) {
    progress(`vhost-user: ${size} bytes`);
    rows.push(...(await throughput(plan, size, ours, size <= dpdkLargest ? peers : [])));
  }
  progress('vhost-user: sessions');
  rows.push(...(await sessions(plan, two, peers[0])));
  progress('vhost-user: latency');
  rows.push(...latencies(plan, two, peers[0]));
  return rows;
}

type Peer = Driven & { readonly name: string };
type Ours = Peer & { readonly clock: () => number };

/** The same with the engine that carries out many requests together. @returns why it cannot be had, if so */
async function startBatches(stack: AsyncDisposableStack): Promise<Ours[] | { reason: unknown }> {
  try {
    const one = stack.use(await inThisThread('ipsec-mb'));
    const two = stack.use(await inWorker('ipsec-mb'));
    return [
      { ...one, name: 'one thread, ipsec-mb', clock: cpuSeconds },
      { ...two, name: 'two threads, ipsec-mb', clock: wallSeconds },
    ];
  } catch (reason) {
    return { reason };
  }
}

/** @returns why it cannot be had, if so */
async function startDpdk(
  stack: AsyncDisposableStack,
  progress: BenchOptions['progress'],
): Promise<Peer[] | { reason: unknown }> {
  try {
    const tree = await buildDpdk(progress);
    const openssl = stack.use(await inDpdk(tree, 'crypto_openssl'));
    const multiBuffer = stack.use(await inDpdk(tree, 'crypto_aesni_mb'));
    return [
      { ...openssl, name: `${DPDK}, openssl` },
      { ...multiBuffer, name: `${DPDK}, aesni_mb` },
    ];
  } catch (reason) {
    return { reason };
  }
}

async function throughput(
  plan: Plan,
  size: number,
  ours: readonly Ours[],
  peers: readonly Peer[],
): Promise<Row[]> {
  for (const driven of [...ours, ...peers]) active(driven, () => driven.load.prepare(size));
  const runners: Runner[] = [
    { name: 'openssl speed', rate: async () => (await opensslSpeed(cipher, size)) / size },
    ...ours.map((driven) => ({ name: driven.name, rate: requests(driven, size, driven.clock) })),
    ...peers.map((peer) => ({ name: peer.name, rate: requests(peer, size, wallSeconds) })),
  ];
  const [limit, ...rates] = await sideBySide(runners, plan.rounds, plan.seconds);
  const row = (name: string, value: number, peer: string, other: number): Row =>
    compared(`${cipher}, ${name}, ${sizeName(size)}`, 'requests/s', value, peer, other);
  const others = [
    { name: 'openssl speed', rate: limit! },
    ...peers.map(({ name }, i) => ({ name, rate: rates[ours.length + i]! })),
  ];
  return others.flatMap((other) => ours.map(({ name }, i) => row(name, rates[i]!, other.name, other.rate)));
}

function requests(driven: Driven, size: number, clock: () => number): Runner['rate'] {
  // Some batches between two looks at the clock, which costs a system call.
  const batch = inFlight * Math.max(1, Math.round(65_536 / size / 4));
  return (seconds) =>
    active(driven, () =>
      perSecond(seconds, clock, () => {
        driven.load.run(batch);
        return batch;
      }),
    );
}

async function sessions(plan: Plan, two: Driven, dpdk: Peer | undefined): Promise<Row[]> {
  await using here = await sessionsInThisThread();
  const byMessage = (driven: Driven) => (seconds: number) =>
    active(driven, () =>
      perSecond(seconds, wallSeconds, () => {
        driven.load.front.closeCryptoSession(driven.load.createSession());
        return 1;
      }),
    );
  const runners: Runner[] = [
    { name: 'control queue', rate: (seconds) => perSecond(seconds, cpuSeconds, () => here.load.run()) },
    { name: 'messages', rate: byMessage(two) },
    ...(dpdk === undefined ? [] : [{ name: dpdk.name, rate: byMessage(dpdk) }]),
  ];
  const [queue, messages, other] = await sideBySide(runners, plan.rounds, plan.seconds);
  const name = 'sessions created and destroyed';
  return [
    { bench: 'vhost-user', case: `${name}, control queue, one thread`, value: queue!, unit: 'sessions/s' },
    compared(`${name}, messages, two threads`, 'sessions/s', messages!, dpdk?.name, other),
  ];
}

/** Of one request in flight on 1 KiB: the front end polls, or waits for the call in the kernel. */
function latencies(plan: Plan, two: Driven, dpdk: Peer | undefined): Row[] {
  const ways: [string, (driven: Driven) => void][] = [
    ['polled', ({ load }) => load.run(1, 1)],
    ['by call', ({ load }) => load.callOnce()],
  ];
  return ways.flatMap(([way, once]) => {
    const [ours, theirs] = [two, dpdk].map((driven) => driven && samples(driven, plan, once));
    return [50, 99].map((percent) => {
      const name = `${cipher}, two threads, 1 KiB, 1 in flight, ${way}, p${percent}`;
      const other = theirs && quantile(theirs, percent);
      return compared(name, 'µs', quantile(ours!, percent), dpdk?.name, other);
    });
  });
}

/** Sorted, in µs. */
function samples(driven: Driven, plan: Plan, once: (driven: Driven) => void): Float64Array {
  return active(driven, () => {
    driven.load.prepare(1024);
    for (let i = 0; i < 1000; i++) once(driven);
    const times = new Float64Array(plan.samples);
    for (let i = 0; i < times.length; i++) {
      const start = performance.now();
      once(driven);
      times[i] = (performance.now() - start) * 1000;
    }
    return times.sort();
  });
}

function quantile(sorted: Float64Array, percent: number): number {
  return sorted[Math.floor((sorted.length * percent) / 100)]!;
}

/** Does it while the back end may run. */
function active<T>(driven: Driven, work: () => T): T {
  driven.resume();
  try {
    return work();
  } finally {
    driven.pause();
  }
}

function perSecond(seconds: number, clock: () => number, work: () => number): number {
  const start = clock();
  let done = 0;
  let now = start;
  while (now < start + seconds) {
    done += work();
    now = clock();
  }
  return done / (now - start);
}

/** All in turn, several times: what disturbs the machine disturbs all of them. @returns the median of each */
async function sideBySide(runners: readonly Runner[], rounds: number, seconds: number): Promise<number[]> {
  for (const { rate } of runners.slice(1)) await rate(0.5);
  const rates = runners.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, { rate }] of runners.entries()) rates[i]!.push(await rate(seconds));
  }
  return rates.map(median);
}

function compared(name: string, unit: string, value: number, peer?: string, limit?: number): Row {
  const row = { bench: 'vhost-user', case: name, value, unit };
  if (peer === undefined || limit === undefined) return row;
  return { ...row, peer, limit, ratio: value / limit };
}

function cpuSeconds(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1e6;
}

function wallSeconds(): number {
  return performance.now() / 1000;
}

function sizeName(bytes: number): string {
  return bytes % 1024 === 0 ? `${bytes / 1024} KiB` : `${bytes} B`;
}
