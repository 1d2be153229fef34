/** How the command finds a Node that can run it. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { TemporaryDirectory } from './support/directory.ts';

const manifest = createRequire(import.meta.url).resolve('skytale/package.json');
const { bin } = createRequire(import.meta.url)(manifest) as { bin: { skytale: string } };
const launcher = join(dirname(manifest), bin.skytale);

/** A directory for the path in which `node` is of some version, and runs nothing but what says which it is. */
function pathWith(directory: TemporaryDirectory, version: string): string {
  mkdirSync(directory.join('path'));
  const script = `#!/bin/sh\ncase "$1" in --version) echo ${version} ;; *) echo "ran $1"; exit 7 ;; esac\n`;
  writeFileSync(directory.join('path', 'node'), script, { mode: 0o755 });
  return `${directory.join('path')}:/usr/bin:/bin`;
}

async function launch(file: string, path: string) {
  const run = promisify(execFile)(file, ['--version'], { env: { PATH: path } });
  return await run.then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: { code: number; stdout: string; stderr: string }) => error,
  );
}

describe('the command', () => {
  it('runs in the Node that was installed along with it, whatever the path has', async () => {
    using directory = new TemporaryDirectory();
    symlinkSync(launcher, directory.join('skytale'));
    const { code, stdout, stderr } = await launch(directory.join('skytale'), pathWith(directory, 'v20.11.1'));
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
  });

  for (const [built, version, code, stdout, stderr] of [
    [
      false,
      'v20.11.1',
      1,
      /^$/,
      /^skytale: It needs Node 26 or newer, and the path has v20\.11\.1\. [^\n]*\n$/,
    ],
    [false, 'v26.0.0', 7, /^ran .*\/src\/main\.ts\n$/, /^$/],
    [true, 'v22.9.0', 1, /^$/, /^skytale: It needs Node 24 or newer, and the path has v22\.9\.0\. [^\n]*\n$/],
    [true, 'v24.0.0', 7, /^ran .*\/lib\/main\.js\n$/, /^$/],
  ] as const) {
    it(`takes the path's where there is no other: ${version}, ${built ? 'installed' : 'in a clone'}`, async () => {
      using directory = new TemporaryDirectory();
      mkdirSync(directory.join('package', 'bin'), { recursive: true });
      copyFileSync(launcher, directory.join('package', 'bin', 'skytale'));
      if (built) {
        mkdirSync(directory.join('package', 'lib'));
        writeFileSync(directory.join('package', 'lib', 'main.js'), '');
      }
      const file = directory.join('package', 'bin', 'skytale');
      const result = await launch(file, pathWith(directory, version));
      assert.equal(result.code, code, result.stderr);
      assert.match(result.stdout, stdout);
      assert.match(result.stderr, stderr);
    });
  }
});
