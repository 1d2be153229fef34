/** A client in a pipe whose reader stops reading: nothing piles up in it, and nothing is lost. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { TemporaryDirectory } from './support/directory.ts';
import { invite, Program, run, Server } from './support/programs.ts';

const count = 800;
const lineBytes = 60 * 1024;
/** Less than what is said meanwhile; most of it is garbage that waits for its collection. */
const mostGrowthKiB = 45 * 1024;

const text = (i: number): string => `${i} `.padEnd(lineBytes, 'x');

function residentKiB(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]);
}

it('a reader that stops reads everything later; the client does not grow meanwhile', {
  timeout: 300_000,
}, async () => {
  using directory = new TemporaryDirectory();
  await using server = await Server.start(directory.join('data'));
  const link = await invite(server.address);
  const as = (name: string) => ['chat', link, '--name', name, '--state', directory.join(name)];
  await using bob = new Program([...as('bob'), '--follow'], { input: '' });
  const warm = Array.from({ length: 20 }, (_, i) => text(i));
  assert.equal((await run(as('alice'), { input: `${warm.join('\n')}\n` })).code, 0);
  await bob.until(() => bob.lines.length === warm.length, 'the first lines');
  const before = residentKiB(bob.pid);

  bob.holdStdout();
  const more = Array.from({ length: count }, (_, i) => text(warm.length + i));
  const alice = await run(as('alice'), { input: `${more.join('\n')}\n` });
  assert.equal(alice.code, 0, alice.stderr);
  const stuckAt = bob.lines.length;
  const growth = residentKiB(bob.pid) - before;
  assert.ok(growth < mostGrowthKiB, `grew by ${growth} KiB`);
  assert.ok(stuckAt < warm.length + count / 2, `${stuckAt} lines came though nobody read`);

  bob.releaseStdout();
  await bob.until(() => bob.lines.length === warm.length + count, 'the rest');
  const different = [...warm, ...more].findIndex((line, i) => line !== bob.lines[i]);
  assert.equal(different, -1);
});
