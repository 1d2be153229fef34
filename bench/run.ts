/**
 * Runs the benchmarks: `npm run bench`, or some of them: `npm run bench -- device chat`. `--json` prints one
 * row a line and nothing else on standard output; `--quick` takes fewer and shorter runs.
 *
 * Each benchmark is a `BenchModule`, as a rule `bench/NAME.ts`; it measures side by side with a peer or the limit,
 * and its rows carry the ratio.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release } from 'node:os';
import { parseArgs } from 'node:util';
import type { BenchModule, Row } from './row.ts';
import { formatTable } from './table.ts';

const modules: Record<string, () => Promise<BenchModule>> = {
  device: () => import('./device.ts'),
  chat: () => import('./chat.ts'),
  growth: () => import('./growth.ts'),
  web: () => import('./web.ts'),
  'vhost-user': () => import('./vhost-user.ts'),
  guest: () => import('./guest.ts'),
  'guest-driver': async () => (await import('./guest-driver.ts')).onQemu,
  'guest-driver-v86': async () => (await import('./guest-driver.ts')).onV86,
};

const usage = `usage: npm run bench -- [${Object.keys(modules).join('|')} …] [--quick] [--json]`;

function fail(message: string): never {
  console.error(`${message}\n${usage}`);
  process.exit(2);
}

function parse(): { names: string[]; quick: boolean; json: boolean } {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { quick: { type: 'boolean' }, json: { type: 'boolean' }, help: { type: 'boolean' } },
    });
    if (values.help === true) {
      console.log(usage);
      process.exit(0);
    }
    const names = positionals.length > 0 ? positionals : Object.keys(modules);
    return { names, quick: values.quick === true, json: values.json === true };
  } catch (error) {
    fail((error as Error).message);
  }
}

/** A line that says on what the figures were measured: they mean nothing without it. */
function machine(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  const memory = /MemTotal:\s+(\d+)/.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1];
  const gibibytes = memory === undefined ? '?' : Math.round(Number(memory) / 1024 / 1024);
  return [
    `${model}, ${availableParallelism()} cores, ${gibibytes} GiB`,
    `Linux ${release()}`,
    `Node ${process.version}, OpenSSL ${process.versions.openssl}`,
    `load ${loadavg()[0]!.toFixed(1)} at the start`,
  ].join('; ');
}

const { names, quick, json } = parse();
for (const name of names) if (!(name in modules)) fail(`There is no benchmark "${name}".`);
if (!json) console.log(`${machine()}\n`);
for (const name of names) {
  const { run } = await modules[name]!();
  const started = performance.now();
  const rows: Row[] = await run({ quick, progress: (text) => process.stderr.write(`${text}\n`) });
  if (json) for (const row of rows) console.log(JSON.stringify(row));
  else {
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    console.log(`${name} (${seconds} s)\n${formatTable(rows)}\n`);
  }
}
