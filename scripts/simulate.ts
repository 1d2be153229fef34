/**
 * Runs the simulator: `npm run simulate -- --seeds 300` (from seed 1; with `--first` until one fails), or `--seed 17` for one run
 * with all its operations.
 * Prints what happened in all runs together, and of each run that failed its seed, its operations and what was wrong.
 */
import { parseArgs } from 'node:util';
import { nodeCrypto } from '../packages/chat/src/node-crypto.ts';
import { type Happened, type Outcome, simulate } from '../packages/chat/src/simulation/simulation.ts';
import { openEngineDevice } from '../packages/cryptodev/src/index.ts';

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
let failed = 0;
let runs = 0;
const begin = performance.now();
for (let seed = from; seed < from + count; seed += 1) {
  const outcome = await simulate(seed, tools);
  for (const [what, times] of Object.entries(outcome.happened) as [keyof Happened, number][]) {
    total[what] = (total[what] ?? 0) + times;
  }
  if (outcome.wrong.length > 0) failed += 1;
  if (one || outcome.wrong.length > 0) report(outcome);
  runs += 1;
  if (first && failed > 0) break;
  if (process.stderr.isTTY && seed % 10 === 0) process.stderr.write(`\r${seed - from + 1} of ${count} `);
}
const ms = performance.now() - begin;
console.log(
  `\n${runs} runs in ${(ms / 1000).toFixed(1)} s, ${(ms / runs).toFixed(1)} ms each, ${failed} failed.`,
);
console.table(total);
await tools.device.close();
if (failed > 0) process.exitCode = 1;
