import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const state = mkdtempSync(join(tmpdir(), 'pipe-'));
after(() => rmSync(state, { recursive: true }));

it('names drafts that the client set aside, and what needs a newer version', () => {
  const child = fileURLToPath(new URL('./events-to-come.testing.ts', import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [child, state], {
    encoding: 'utf8',
    input: '',
  });
  assert.equal(status, 3, stderr);
  assert.match(stderr, /^Message 4 of bo\ufffdb needs a newer version of skytale\.$/m);
  assert.match(
    stderr,
    /^A message \(“a draft\ufffd of last week”\) was not sent\. This server takes 100 bytes\.$/m,
  );
  const file = /^What is not sent is in (.*)$/m.exec(stderr)![1]!;
  assert.equal(readFileSync(file, 'utf8'), 'a draft\x9b of last week\n');
  const lines = stdout.trimEnd().split('\n');
  assert.deepEqual(
    lines.map((line) => (JSON.parse(line) as { type: string }).type),
    ['hello', 'unsupported', 'unsent', 'live'],
  );
});
