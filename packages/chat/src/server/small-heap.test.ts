import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';

/** Makes many objects of which some live for a while, and prints the bytes of the space for new ones. */
const program = `
  import { getHeapSpaceStatistics } from 'node:v8';
  import { keepNewSpaceSmall } from '${new URL('./small-heap.ts', import.meta.url)}';
  if (process.argv[1] === 'small') keepNewSpaceSmall();
  let kept = [];
  for (let made = 0; made < 1_000_000; made += 1) {
    kept.push({ made, other: [made] });
    if (kept.length > 20_000) kept = [];
  }
  console.log(getHeapSpaceStatistics().find((space) => space.space_name === 'new_space').space_size);
`;

async function newSpaceBytes(how: 'small' | 'grown'): Promise<number> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--input-type=module',
    '--eval',
    program,
    how,
  ]);
  return Number(stdout);
}

test('the space for new objects does not grow, where it would', async () => {
  assert((await newSpaceBytes('grown')) > 8 * 1024 * 1024);
  assert((await newSpaceBytes('small')) <= 4 * 1024 * 1024);
});
