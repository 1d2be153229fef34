/**
 * The chat server beside NATS core: 256-byte messages, the same load generator for both, on the same machine
 * in the same run. Our server stores every message durably before it passes it on; NATS core stores none.
 */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  LoadProcess,
  type Memory,
  NatsProcess,
  residentBytes,
  type ServerProcess,
  SkytaleProcess,
} from './chat/processes.ts';
import { type BenchOptions, median, type Row } from './row.ts';

const SENDERS = 4;
/** Messages under way, of all senders together: as many as keep everybody busy without filling memory. */
const windowFor = (clients: number) => Math.max(512, Math.min(4096, Math.round(400_000 / clients)));
const CLIENTS = [10, 100, 500, 900];
const SYNCS = 400;
const GROWTH_CLIENTS = 40;
const GROWTH_STALLED = 15;
/** A multiple of three. */
const GROWTH_SAMPLES = 15;
const PEER = 'nats-server core, no log';

type Plan = {
  runs: number;
  warmMs: number;
  ms: number;
  paceMs: number;
  idle: number;
  growMs: number;
  newcomers: number;
  historyMs: number;
};
const full: Plan = {
  runs: 4,
  warmMs: 1000,
  ms: 1500,
  paceMs: 3000,
  idle: 2000,
  growMs: 30_000,
  newcomers: 1000,
  historyMs: 1000,
};
const quick: Plan = {
  runs: 1,
  warmMs: 300,
  ms: 700,
  paceMs: 1000,
  idle: 500,
  growMs: 3000,
  newcomers: 100,
  historyMs: 300,
};

/** `skytale-normal` does not wait for the disk before it acknowledges (durability `normal`). */
type Kind = 'skytale' | 'skytale-normal' | 'nats';
type Sample = { perSecond?: number; p50?: number; p99?: number };

function start(kind: Kind): Promise<ServerProcess> {
  if (kind === 'nats') return NatsProcess.start();
  return SkytaleProcess.start(kind === 'skytale' ? 'full' : 'normal');
}

const wireOf = (kind: Kind) => (kind === 'nats' ? 'nats' : 'skytale');

export async function run({ quick: short, progress }: BenchOptions): Promise<Row[]> {
  const plan = short ? quick : full;
  const rows: Row[] = [];
  for (const clients of CLIENTS) {
    progress(`chat: 4 senders flat out, ${clients} clients`);
    const figures = await sideBySide(plan, ['skytale', 'nats'], clients, (load) =>
      load.ask({
        do: 'flood',
        senders: SENDERS,
        window: windowFor(clients),
        warmMs: plan.warmMs,
        ms: plan.ms,
      }),
    );
    const rates = (kind: Kind) => figures[kind].map(({ perSecond }) => perSecond!);
    rows.push(row(`4 senders flat out, ${clients} clients`, 'deliveries/s', rates('skytale'), rates('nats')));
  }
  progress('chat: paced load, 100 clients');
  rows.push(...(await paced(plan)));
  progress(`chat: memory of ${plan.idle} idle connections`);
  rows.push(
    row(
      'memory of an idle connection',
      'KiB',
      [await idleKiB('skytale', plan)],
      [await idleKiB('nats', plan)],
    ),
  );
  progress('chat: appends in a quiet room while newcomers read another');
  rows.push(...(await quietRoom(plan)));
  progress('chat: growth of memory under load with clients that do not read');
  rows.push(...(await growth(plan)));
  return rows;
}

function row(name: string, unit: string, values: readonly number[], limits: readonly number[]): Row {
  const value = median(values);
  const limit = median(limits);
  return { bench: 'chat', case: name, value, unit, peer: PEER, limit, ratio: value / limit };
}

async function paced(plan: Plan): Promise<Row[]> {
  // The disk drifts from one minute to the next: before the runs and after them.
  const before = fdatasync();
  const samples = await sideBySide(plan, ['skytale', 'skytale-normal', 'nats'], 100, (load) =>
    load.ask({ do: 'pace', senders: SENDERS, perSecond: 100, warmMs: plan.warmMs, ms: plan.paceMs }),
  );
  const rows: Row[] = [];
  const after = fdatasync();
  for (const quantile of ['p50', 'p99'] as const) {
    const values = (kind: Kind) => samples[kind].map((sample) => sample[quantile]!);
    const name = `4 x 100 messages/s to 100 clients, ${quantile}`;
    const sync = (before[quantile] + after[quantile]) / 2;
    const bound = values('nats').map((ms) => ms + 1.1 * sync);
    rows.push({ ...row(name, 'ms', values('skytale'), bound), peer: 'nats-server core + 1.1 fdatasync' });
    rows.push(row(`${name}, durability normal`, 'ms', values('skytale-normal'), values('nats')));
  }
  return rows;
}

/** Several runs of the servers, in turn, so that what else the machine does hits all. */
async function sideBySide(
  plan: Plan,
  kinds: readonly Kind[],
  clients: number,
  measure: (load: LoadProcess) => Promise<Sample & { lost?: number }>,
): Promise<Record<Kind, Sample[]>> {
  const samples: Record<Kind, Sample[]> = { skytale: [], 'skytale-normal': [], nats: [] };
  for (let count = 0; count < plan.runs; count += 1) {
    for (const kind of kinds) {
      await using server = await start(kind);
      await using load = new LoadProcess();
      await load.ask({ do: 'connect', wire: wireOf(kind), address: server.address, clients });
      const sample = await measure(load);
      if (sample.lost !== 0) throw new Error(`${kind} lost ${sample.lost} deliveries to ${clients} clients`);
      samples[kind].push(sample);
    }
  }
  return samples;
}

async function idleKiB(kind: Kind, plan: Plan): Promise<number> {
  await using server = await start(kind);
  await using load = new LoadProcess();
  const connect = (clients: number) =>
    load.ask({ do: 'connect', wire: wireOf(kind), address: server.address, clients });
  await connect(10);
  const before = residentBytes(server.pid);
  await connect(plan.idle);
  return (residentBytes(server.pid) - before) / plan.idle / 1024;
}

/** What a message in a quiet room waits for its acknowledgement, alone and while others read another room from its first message. */
async function quietRoom({ newcomers, historyMs, paceMs }: Plan): Promise<Row[]> {
  await using server = await SkytaleProcess.start();
  await using writer = new LoadProcess();
  await writer.ask({ do: 'connect', wire: 'skytale', address: server.address, clients: 2, room: 'busy' });
  await writer.ask({ do: 'flood', senders: 1, window: 4096, warmMs: 0, ms: historyMs });
  const ask = { do: 'acknowledge', perSecond: 100, ms: paceMs } as const;
  await using sender = new LoadProcess();
  await sender.ask({ do: 'connect', wire: 'skytale', address: server.address, clients: 1, room: 'quiet' });
  const alone = await sender.ask(ask);
  await using readers = new LoadProcess();
  await readers.ask({ do: 'newcomers', address: server.address, clients: newcomers, room: 'busy' });
  const beside = await sender.ask(ask);
  return (['p50', 'p99'] as const).map((quantile) => ({
    bench: 'chat',
    case: `acknowledgement in a quiet room while ${newcomers} read another, ${quantile}`,
    value: beside[quantile]!,
    unit: 'ms',
    peer: 'nobody reads',
    limit: alone[quantile]!,
    ratio: beside[quantile]! / alone[quantile]!,
  }));
}

/** What one fdatasync of 4 KiB takes at the place where the server keeps its data, in milliseconds. */
function fdatasync(): { p50: number; p99: number } {
  const directory = mkdtempSync(join(tmpdir(), 'skytale-bench-'));
  const file = openSync(join(directory, 'file'), 'w');
  const block = Buffer.alloc(4096, 1);
  const measured = Array.from({ length: SYNCS }, () => {
    const begin = performance.now();
    writeSync(file, block);
    fdatasyncSync(file);
    return performance.now() - begin;
  }).sort((one, other) => one - other);
  closeSync(file);
  rmSync(directory, { recursive: true });
  return { p50: measured[SYNCS / 2]!, p99: measured[Math.floor(SYNCS * 0.99)]! };
}

/** Memory after some load, and after three times as much; some clients do not read all the while. */
async function growth(plan: Plan): Promise<Row[]> {
  await using server = await SkytaleProcess.start();
  await using load = new LoadProcess();
  await load.ask({ do: 'connect', wire: 'skytale', address: server.address, clients: GROWTH_CLIENTS });
  await load.ask({ do: 'stall', clients: GROWTH_STALLED });
  const samples: Memory[] = [];
  for (let i = 0; i < GROWTH_SAMPLES; i++) {
    const ms = plan.growMs / GROWTH_SAMPLES;
    await load.ask({ do: 'flood', senders: SENDERS, window: windowFor(GROWTH_CLIENTS), warmMs: 0, ms });
    samples.push(await server.memory());
  }
  // What the first third of the load fills once (heap, caches, queues up to their bounds) is no growth.
  const third = GROWTH_SAMPLES / 3;
  const [early, late] = [samples.slice(third, 2 * third), samples.slice(2 * third)];
  const grown = (name: string, of: (memory: Memory) => number): Row => {
    const [before, after] = [median(early.map(of)), median(late.map(of))];
    return {
      bench: 'chat',
      case: `${name}, last third of flat-out load, ${GROWTH_STALLED} of ${GROWTH_CLIENTS} clients not reading`,
      value: after / 1024 / 1024,
      unit: 'MiB',
      peer: 'second third',
      limit: before / 1024 / 1024,
      ratio: after / before,
    };
  };
  return [grown('reachable memory', ({ used }) => used), grown('resident memory', ({ rss }) => rss)];
}
