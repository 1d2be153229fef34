import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { UnsentFile } from './unsent-file.ts';

const root = mkdtempSync(join(tmpdir(), 'unsent-'));
after(() => rmSync(root, { recursive: true }));

it('is made when there is something for it, for its owner alone, and keeps lines whole', () => {
  const directory = join(root, 'state');
  const file = new UnsentFile(directory, new Date(0));
  file.endLine();
  assert.equal(file.exists, false);
  file.write(Buffer.from('a long line '));
  file.writeLine('another meanwhile');
  file.write(Buffer.from([0xff]));
  file.write(Buffer.from('goes on\n'));
  file.writeLine('one more');
  file.write(Buffer.from('cut off'));
  file.writeLine('the last');
  file.endLine();
  assert.equal(file.exists, true);
  file[Symbol.dispose]();
  assert.deepEqual(readdirSync(directory), [`unsent-1970-01-01T00-00-00-${process.pid}.txt`]);
  assert.equal(statSync(file.path).mode & 0o777, 0o600);
  assert.equal(statSync(directory).mode & 0o777, 0o700);
  assert.equal(
    readFileSync(file.path, 'latin1'),
    'a long line \xffgoes on\nanother meanwhile\none more\ncut off\nthe last\n',
  );
});

it('is never one that is there', () => {
  const directory = join(root, 'twice');
  using one = new UnsentFile(directory, new Date(0));
  one.writeLine('one');
  using other = new UnsentFile(directory, new Date(0));
  assert.throws(() => other.writeLine('other'), { code: 'EEXIST' });
});
