/**
 * How the chat server's costs grow, with members, rooms, history and idle connections, one at a time. `bench/plot.ts` draws it.
 * The names of the rows are `WHAT, N`.
 */
import { cpuSeconds, LoadProcess, residentBytes, SkytaleProcess } from './chat/processes.ts';
import type { BenchOptions, Row } from './row.ts';

/** Messages that senders have under way together, for one delivery to a client. */
const windowFor = (clients: number) => Math.max(512, Math.min(4096, Math.round(400_000 / clients)));

type Plan = { members: number[]; rooms: number[]; history: number[]; idle: number[]; ms: number };
const full: Plan = {
  members: [10, 30, 100, 300, 900, 1800],
  rooms: [1, 10, 100, 400, 900],
  history: [1_000, 10_000, 100_000, 400_000],
  idle: [100, 500, 1000, 2000, 4000],
  ms: 2000,
};
const quick: Plan = {
  members: [10, 100],
  rooms: [1, 50],
  history: [1_000, 10_000],
  idle: [100, 500],
  ms: 500,
};

export async function run({ quick: short, progress }: BenchOptions): Promise<Row[]> {
  const plan = short ? quick : full;
  const rows: Row[] = [];
  const add = (what: string, n: number, value: number, unit: string) =>
    rows.push({ bench: 'growth', case: `${what}, ${n}`, value, unit });
  for (const members of plan.members) {
    progress(`growth: ${members} members of one room`);
    const { perSecond, cpu } = await withMembers(members, plan.ms);
    add('deliveries with members', members, perSecond, 'deliveries/s');
    add('server time for a delivery with members', members, cpu, 'ns');
  }
  for (const rooms of plan.rooms) {
    progress(`growth: ${rooms} rooms`);
    const { p50, kib } = await withRooms(rooms, plan.ms);
    add('acknowledgement with open rooms', rooms, p50, 'ms');
    add('memory of a room and its member with open rooms', rooms, kib, 'KiB');
  }
  for (const messages of plan.history) {
    progress(`growth: a history of ${messages} messages`);
    const { p50, perSecond } = await withHistory(messages, plan.ms);
    add('acknowledgement with messages in the room', messages, p50, 'ms');
    add('reading from the first on with messages in the room', messages, perSecond, 'messages/s');
  }
  for (const connections of plan.idle) {
    progress(`growth: ${connections} idle connections`);
    add('memory of idle connections', connections, await withIdle(connections), 'MiB');
  }
  return rows;
}

async function withMembers(clients: number, ms: number) {
  await using server = await SkytaleProcess.start();
  await using load = new LoadProcess();
  await load.ask({ do: 'connect', wire: 'skytale', address: server.address, clients });
  const flood = { do: 'flood', senders: 4, window: windowFor(clients), warmMs: 500, ms } as const;
  await load.ask(flood);
  const before = cpuSeconds(server.pid);
  const { perSecond, delivered } = await load.ask(flood);
  return { perSecond: perSecond!, cpu: ((cpuSeconds(server.pid) - before) / delivered!) * 1e9 };
}

async function withRooms(rooms: number, ms: number) {
  await using server = await SkytaleProcess.start();
  await using load = new LoadProcess();
  await load.ask({ do: 'connect', wire: 'skytale', address: server.address, clients: 10 });
  const before = residentBytes(server.pid);
  await load.ask({ do: 'connect', wire: 'skytale', address: server.address, clients: rooms, rooms });
  const kib = (residentBytes(server.pid) - before) / rooms / 1024;
  const { p50 } = await load.ask({ do: 'acknowledge', perSecond: 100, ms });
  return { p50: p50!, kib: Math.max(0, kib) };
}

async function withHistory(messages: number, ms: number) {
  await using server = await SkytaleProcess.start('normal');
  await using load = new LoadProcess();
  await load.ask({ do: 'connect', wire: 'skytale', address: server.address, clients: 2 });
  await load.ask({ do: 'fill', messages, window: 4096 });
  const { p50 } = await load.ask({ do: 'acknowledge', perSecond: 100, ms });
  const { perSecond } = await load.ask({ do: 'read', address: server.address, room: 'bench' });
  return { p50: p50!, perSecond: perSecond! };
}

async function withIdle(clients: number) {
  await using server = await SkytaleProcess.start();
  await using load = new LoadProcess();
  await load.ask({ do: 'connect', wire: 'skytale', address: server.address, clients: 10 });
  const before = residentBytes(server.pid);
  await load.ask({ do: 'connect', wire: 'skytale', address: server.address, clients });
  return (residentBytes(server.pid) - before) / 1024 / 1024;
}
