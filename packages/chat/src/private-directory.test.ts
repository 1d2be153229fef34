import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { makePrivateDirectory } from './private-directory.ts';

describe('makePrivateDirectory', () => {
  const root = mkdtempSync(join(tmpdir(), 'skytale-test-'));

  it('makes what is missing, for its owner alone, and is content with what is there', () => {
    const directory = join(root, 'a', 'b', 'c');
    makePrivateDirectory(directory);
    makePrivateDirectory(directory);
    for (const path of [directory, join(root, 'a')]) assert.equal(statSync(path).mode & 0o777, 0o700);
    symlinkSync(directory, join(root, 'link'));
    makePrivateDirectory(join(root, 'link'));
  });

  it('ends where nothing can be made', () => {
    writeFileSync(join(root, 'file'), '');
    symlinkSync('nowhere/at all', join(root, 'dangling'));
    assert.throws(() => makePrivateDirectory(join(root, 'file')), { code: 'EEXIST' });
    assert.throws(() => makePrivateDirectory(join(root, 'file', 'below')), { code: 'ENOTDIR' });
    assert.throws(() => makePrivateDirectory(join(root, 'dangling')), { code: /EEXIST|ENOENT/ });
    assert.throws(() => makePrivateDirectory('/proc/skytale/below'), { code: 'ENOENT' });
    rmSync(root, { recursive: true });
  });
});
