/**
 * Runs the tests with node:test. `unit`: beside the source in packages/, in seconds; `system`: whole
 * programs, in tests/; `all`: both. With SKYTALE_NO_SKIP=1 (CI) a skipped or todo test fails the run.
 */
import { globSync } from 'node:fs';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';

/** For one test; the longest takes two or three, the storm in the guest. */
const TEST_MINUTES = 6;
/** For all of them, which take about ten: whatever hangs, the run ends and says what failed. */
const RUN_MINUTES = 60;

const suites: Record<string, string[]> = {
  unit: ['packages/*/src/**/*.test.ts'],
  system: ['tests/**/*.test.ts'],
};
const suite = process.argv[2] ?? 'all';
const patterns = suite === 'all' ? Object.values(suites).flat() : suites[suite];
if (patterns === undefined) {
  console.error(`usage: run-tests.ts [${Object.keys(suites).join('|')}|all] [name-filter]`);
  process.exit(2);
}
const filter = process.argv[3] ?? '';
const files = globSync(patterns, { exclude: ['**/node_modules/**'] })
  .filter((file) => file.includes(filter))
  .sort();
if (files.length === 0) {
  console.error(`No test files match ${patterns.join(' ')}${filter && ` and "${filter}"`}.`);
  process.exit(1);
}

// Every file is a process of its own, and most load the same modules: stripped and compiled once, not in each.
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL('../node_modules/.cache/tests', import.meta.url));

let failed = 0;
const skipped: string[] = [];
const events = run({
  files,
  concurrency: 2,
  timeout: TEST_MINUTES * 60_000,
  signal: AbortSignal.timeout(RUN_MINUTES * 60_000),
  execArgv: ['--import', import.meta.resolve('./test-process.ts')],
});
events.on('test:fail', () => {
  failed += 1;
});
for (const event of ['test:pass', 'test:fail'] as const) {
  events.on(event, (data) => {
    if (data.skip !== undefined || data.todo !== undefined)
      skipped.push(`${data.name}: ${data.skip ?? data.todo}`);
  });
}
events.on('end', () => {
  if (skipped.length > 0) console.error(`\nSkipped:\n  ${skipped.join('\n  ')}`);
  const strict = process.env.SKYTALE_NO_SKIP === '1';
  if (failed > 0 || (strict && skipped.length > 0)) process.exitCode = 1;
});
events.compose(spec).pipe(process.stdout);
