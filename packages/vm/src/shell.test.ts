import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { shellScript } from './shell.ts';

const run = (...args: Parameters<typeof shellScript>) =>
  execFileSync('/bin/sh', ['-c', shellScript(...args)], { encoding: 'utf8', stdio: 'pipe' });

describe('a command as a shell script', () => {
  it('hands every word and variable over as it is', () => {
    const words = ["it's", '$HOME', '`id`', 'a  b', '', '\\', '"', 'x\ny', '-n'];
    assert.equal(run(['printf', '[%s]', ...words]), words.map((word) => `[${word}]`).join(''));
    assert.equal(run('printf "%s" "$VALUE"', { env: { VALUE: words.join(' ') } }), words.join(' '));
  });

  it('runs where it should', () => {
    assert.equal(run('pwd', { cwd: '/usr' }), '/usr\n');
    assert.throws(() => run('pwd', { cwd: '/no such' }), { status: 127 });
  });

  it('refuses what is no variable', () => {
    assert.throws(() => shellScript('true', { env: { 'A;B': '' } }), RangeError);
  });
});
