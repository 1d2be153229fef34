import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { it } from 'node:test';
import fc from 'fast-check';
import { firstLine } from './secrets.ts';

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
  const of = (text: string) => {
    const input = new PassThrough();
    input.end(text);
    return firstLine(input);
  };
  assert.equal(await of('a'), 'a');
  assert.equal(await of(''), '');
  await assert.rejects(of('x'.repeat(20_000)), /no secret/);
});
