/**
 * Runs the simulator: `npm run simulate -- --seeds 300` (from seed 1; with `--first` until one fails), or `--seed 17` for one run
 * with all its operations.
 * Prints what happened in all runs together, and of each run that failed its seed, its operations and what was wrong; and to standard
 * error every minute how far it has come.
 */
import { parseArgs } from 'node:util';
import { nodeCrypto } from '../packages/chat/src/node-crypto.ts';
import { type Happened, type Outcome, simulate } from '../packages/chat/src/simulation/simulation.ts';
import { openEngineDevice } from '../packages/cryptodev/src/index.ts';

/** How often it says how far it has come. */
const PROGRESS_MS = 60_000;

const usage = 'usage: npm run simulate -- [--seeds COUNT] [--from SEED] [--first] [--seed SEED]';

function parse(): { from: number; count: number; one: boolean; first: boolean } {
  try {
    const { values } = parseArgs({
      options: {
        seeds: { type: 'string', default: '100' },
        from: { type: 'string', default: '1' },
        seed: { type: 'string' },
        first: { type: 'boolean', default: false },
        help: { type: 'boolean' },
      },
    });
    if (values.help === true) {
      console.log(usage);
      process.exit(0);
    }
    const { first } = values;
    if (values.seed !== undefined) return { from: number(values.seed), count: 1, one: true, first };
    return { from: number(values.from), count: number(values.seeds), one: false, first };
  } catch (error) {
    console.error(`${(error as Error).message}\n${usage}`);
    process.exit(2);
  }
}

function number(text: string): number {
  if (!/^[0-9]{1,9}$/.test(text)) throw new RangeError(`${JSON.stringify(text)} is no number`);
  return Number(text);
}

function report({ seed, operations, wrong, steps, virtualMs }: Outcome): void {
  console.log(`\nSeed ${seed}: ${steps} steps, ${(virtualMs / 1000).toFixed(0)} s of virtual time`);
  for (const operation of operations) console.log(`  ${operation}`);
  for (const sentence of wrong) console.log(`  WRONG: ${sentence}`);
}

const { from, count, one, first } = parse();
const tools = { crypto: nodeCrypto({ threadPool: false }), device: await openEngineDevice('node') };
const total: Partial<Record<keyof Happened, number>> = {};
const failed: number[] = [];
let runs = 0;
const begin = performance.now();
let told = begin;
for (let seed = from; seed < from + count; seed += 1) {
  const outcome = await simulate(seed, tools);
  for (const [what, times] of Object.entries(outcome.happened) as [keyof Happened, number][]) {
    total[what] = (total[what] ?? 0) + times;
  }
  if (outcome.wrong.length > 0) failed.push(seed);
  if (one || outcome.wrong.length > 0) report(outcome);
  runs += 1;
  if (first && failed.length > 0) break;
  if (performance.now() - told < PROGRESS_MS) continue;
  told = performance.now();
  console.error(`${runs} of ${count}, ${each()}; ${memory()} MiB of memory`);
}
console.log(`\n${runs} runs in ${seconds()} s, ${each()}.`);
if (failed.length > 0) console.log(`Failed: ${failed.join(', ')}.`);
console.table(total);
await tools.device.close();
if (failed.length > 0) process.exitCode = 1;

function seconds(): string {
  return ((performance.now() - begin) / 1000).toFixed(1);
}

function each(): string {
  return `${((performance.now() - begin) / runs).toFixed(1)} ms each, ${failed.length} failed`;
}

function memory(): string {
  return (process.memoryUsage.rss() / 1024 / 1024).toFixed(0);
}
