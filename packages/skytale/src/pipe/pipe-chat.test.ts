import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = mkdtempSync(join(tmpdir(), 'pipe-'));
after(() => rmSync(root, { recursive: true }));

const run = (state: string, input: string) => {
  const child = fileURLToPath(new URL('./events-to-come.testing.ts', import.meta.url));
  return spawnSync(process.execPath, [child, state], { encoding: 'utf8', input });
};

describe('the chat in a pipe', () => {
  it('names drafts that the client set aside, now and before, keeps them in the file, and then discards them', () => {
    const { status, stdout, stderr } = run(join(root, 'state'), 'much too long\n');
    assert.equal(status, 3, stderr);
    assert.match(stderr, /^Message 4 of bo\ufffdb needs a newer version of skytale\.$/m);
    assert.doesNotMatch(stderr, /^Message 5/m, 'said once');
    for (const words of ['a draft\ufffd of last week', 'much too long']) {
      assert.ok(
        stderr.includes(`A message (“${words}”) was not sent. This server takes 100 bytes.\n`),
        stderr,
      );
    }
    const file = /^What is not sent is in (.*)$/m.exec(stderr)![1]!;
    assert.equal(readFileSync(file, 'utf8'), 'a draft\x9b of last week\nmuch too long\n');
    assert.match(stderr, /^discarded first with "a draft.* of last week\\n.*" in the file$/m);
    assert.match(stderr, /^discarded second with ".*much too long\\n" in the file$/m);
    const events = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; line?: number | null });
    assert.deepEqual(
      new Set(events.map(({ type }) => type)),
      new Set(['hello', 'unsupported', 'live', 'unsent']),
    );
    assert.deepEqual(
      events.filter(({ type }) => type === 'unsent').map(({ line }) => line),
      [null, 1],
    );
  });

  it('shows what it has read and can put nowhere', () => {
    const file = join(root, 'full');
    writeFileSync(file, '');
    const { status, stderr } = run(file, `fine\n${'x'.repeat(2000)}\x1b[2J\nafter`);
    assert.equal(status, 1);
    assert.match(
      stderr,
      /^What is not sent cannot be put into .*\/full\/unsent-.*\.txt: .* is a file where/m,
    );
    assert.match(stderr, /Make room, and send it again\.$/m);
    assert.match(stderr, /^\| x{2000}\\x1b\[2J$/m);
    assert.match(stderr, /^\| after$/m);
    assert.match(stderr, /^failed: /m);
  });

  it('says why it cannot keep them, and discards nothing', () => {
    const file = join(root, 'a-file');
    writeFileSync(file, '');
    const { status, stderr } = run(file, '');
    assert.equal(status, 1);
    assert.match(stderr, /^failed: EEXIST/m);
    assert.doesNotMatch(stderr, /discarded|crypto device/);
  });
});
