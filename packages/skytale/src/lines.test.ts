import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { CommandError } from './command-error.ts';
import { readLines } from './lines.ts';

async function* chunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
const linesOf = (text: string | Uint8Array, size = 3, longest = 100) =>
  Array.fromAsync(readLines(chunks(Buffer.from(text as string), size), longest));

describe('lines of standard input', () => {
  it('are what stands between line endings, however the bytes arrive', async () => {
    const line = fc.string({ unit: fc.constantFrom('a', 'é', '👩', ' ', '\t'), maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(line),
        fc.integer({ min: 1, max: 9 }),
        fc.boolean(),
        async (lines, size, crlf) => {
          const end = crlf ? '\r\n' : '\n';
          assert.deepEqual(await linesOf(lines.map((text) => text + end).join(''), size), lines);
        },
      ),
    );
  });

  it('include a last one without an ending, and empty ones', async () => {
    assert.deepEqual(await linesOf('a\n\nb'), ['a', '', 'b']);
    assert.deepEqual(await linesOf(''), []);
    assert.deepEqual(await linesOf('a\rb\r\r\n'), ['a\rb\r']);
  });

  it('are refused when too long or not UTF-8, by number, and memory stays bounded', async () => {
    assert.deepEqual(await linesOf(`${'x'.repeat(100)}\r\n`), ['x'.repeat(100)]);
    await assert.rejects(
      linesOf(`a\n${'x'.repeat(101)}\n`),
      /^CommandError: Line 2 .* longer than 100 bytes/,
    );
    await assert.rejects(linesOf(Buffer.from([0x61, 0x0a, 0xc3, 0x0a])), /Line 2 .* not UTF-8/);
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) yield Buffer.alloc(10, 'x');
    }
    await assert.rejects(Array.fromAsync(readLines(endless(), 1000)), CommandError);
  });
});
