import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { it } from 'node:test';
import fc from 'fast-check';
import { firstLine, readInvite } from './secrets.ts';

it('takes the first line of a stream and leaves the rest, however the bytes come', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.string({ unit: fc.constantFrom('a', 'é', ' ', '\r'), maxLength: 10 }),
      fc.string({ unit: fc.constantFrom('a', 'é', '\n'), maxLength: 10 }),
      fc.integer({ min: 1, max: 9 }),
      async (first, rest, size) => {
        const input = new PassThrough();
        const bytes = Buffer.from(`${first}\n${rest}`);
        for (let at = 0; at < bytes.length; at += size) input.write(bytes.subarray(at, at + size));
        input.end();
        assert.equal(await firstLine(input), first.replace(/\r$/, ''));
        assert.equal(Buffer.concat(await Array.fromAsync(input)).toString(), rest);
      },
    ),
  );
});

it('takes a line without an ending, none, and none that is too long', async () => {
  const of = (text: string | Buffer) => {
    const input = new PassThrough();
    input.end(text);
    return firstLine(input);
  };
  assert.equal(await of('a'), 'a');
  assert.equal(await of(''), '');
  await assert.rejects(of('x'.repeat(20_000)), /no secret/);
  await assert.rejects(of(Buffer.from([0x61, 0xff, 0x0a])), /no secret/);
});

it('takes no more of what does not end than a secret may have', async () => {
  const endless = new Readable({ read: () => endless.push(Buffer.alloc(1000, 'x')) });
  await assert.rejects(firstLine(endless), /no secret/);
  endless.destroy();
});

it('takes the first line of a file, whatever follows', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'secrets-'));
  try {
    const file = join(directory, 'secret');
    for (const content of ['of a file', 'of a file\r\nmore\n', `of a file\n${'x'.repeat(100_000)}`]) {
      writeFileSync(file, content);
      assert.equal(await readInvite(undefined, file), 'of a file');
    }
    writeFileSync(file, `${'x'.repeat(100_000)}\n`);
    await assert.rejects(readInvite(undefined, file), /no secret/);
    writeFileSync(file, '\n');
    await assert.rejects(readInvite(undefined, file), /The invite is empty/);
    await assert.rejects(readInvite(undefined, join(directory, 'none')), {
      name: 'UsageError',
      message: /--invite-file: There is no file/,
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
});
