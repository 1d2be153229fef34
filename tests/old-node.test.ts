/** A clone is set up by the Node and npm of Debian 12, which are too old for anything but bringing newer ones. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { it } from 'node:test';
import { promisify } from 'node:util';
import { TemporaryDirectory } from './support/directory.ts';
import { nodeDirectory } from './support/installed.ts';

const root = join(import.meta.dirname, '..');
const run = promisify(execFile);

it('is set up by Node 18 and npm 9, the page for browsers included', { timeout: 300_000 }, async () => {
  using directory = new TemporaryDirectory();
  const { stdout: files } = await run('git', ['ls-files', '-z'], { cwd: root, maxBuffer: 1 << 24 });
  for (const file of files.split('\0').filter((name) => name !== '' && existsSync(join(root, name)))) {
    mkdirSync(dirname(directory.join('clone', file)), { recursive: true });
    cpSync(join(root, file), directory.join('clone', file));
  }
  const node = await nodeDirectory('18.20.8', 'npm@9.2.0');
  mkdirSync(directory.join('bin'));
  const npm = `#!/bin/sh\nexec node ${join(node, '../../npm/bin/npm-cli.js')} "$@"\n`;
  writeFileSync(directory.join('bin', 'npm'), npm, { mode: 0o755 });
  const { NODE_OPTIONS: _, ...env } = process.env;
  const PATH = `${directory.join('bin')}:${node}:/usr/bin:/bin`;
  const options = { cwd: directory.join('clone'), env: { ...env, PATH } };
  assert.equal((await run('node', ['--version'], options)).stdout, 'v18.20.8\n');
  assert.equal((await run('npm', ['--version'], options)).stdout, '9.2.0\n');
  await run('sh', ['scripts/setup'], options);
  assert.ok(existsSync(directory.join('clone/packages/web/dist/assets.json')));
  const { stdout } = await run('node_modules/.bin/skytale', ['--version'], options);
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
});
