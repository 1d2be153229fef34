import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Line, LineReader } from './line-reader.ts';

async function* chunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function read(bytes: Uint8Array, size = 3, longest = 100) {
  const aside: Uint8Array[] = [];
  const lines = await Array.fromAsync(
    new LineReader(chunks(bytes, size), longest, (part) => aside.push(Uint8Array.from(part))),
  );
  return { lines, aside: Buffer.concat(aside) };
}

const textsOf = async (text: string, size?: number) =>
  (await read(Buffer.from(text), size)).lines.map((line) => ('text' in line ? line.text : assert.fail()));
const numberAndProblem = (line: Line) => ('text' in line ? line.text : [line.number, line.problem]);

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
          assert.deepEqual(await textsOf(lines.map((text) => text + end).join(''), size), lines);
        },
      ),
    );
  });

  it('include a last one without an ending, and empty ones', async () => {
    assert.deepEqual(await textsOf('a\n\nb'), ['a', '', 'b']);
    assert.deepEqual(await textsOf(''), []);
    assert.deepEqual(await textsOf('a\rb\r\r\n'), ['a\rb\r']);
  });

  it('are set aside whole when too long or not UTF-8, and those around them come', async () => {
    for (const size of [1, 3, 50, 1000]) {
      const good = `${'x'.repeat(100)}\r\n`;
      const long = `${'y'.repeat(101)}\r\n`;
      const longer = `${'z'.repeat(500)}\n`;
      const binary = Buffer.from([0x61, 0xc3, 0x0a]);
      const input = Buffer.concat([...[good, long, 'a\n', longer].map((text) => Buffer.from(text)), binary]);
      const { lines, aside } = await read(Buffer.concat([input, Buffer.from('b')]), size);
      assert.deepEqual(lines.map(numberAndProblem), [
        ...['x'.repeat(100), [2, 'too long'], 'a', [4, 'too long'], [5, 'not UTF-8'], 'b'],
      ]);
      assert.deepEqual(aside, Buffer.concat([Buffer.from(long + longer), binary]));
    }
  });

  it('are all there, in one place or the other, whatever the bytes and wherever one stops', async () => {
    const byte = fc.oneof(fc.constantFrom(0x0a, 0x0d, 0xc3, 0xa9), fc.constantFrom(0x61, 0x62));
    await fc.assert(
      fc.asyncProperty(
        fc.array(byte, { maxLength: 60 }).map((bytes) => Uint8Array.from(bytes)),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 0, max: 10 }),
        async (bytes, size, stopAfter) => {
          const parts: Uint8Array[] = [];
          const pulled: Uint8Array[] = [];
          async function* input() {
            for await (const chunk of chunks(bytes, size)) {
              pulled.push(chunk);
              yield chunk;
            }
          }
          const reader = new LineReader(input(), 5, (part) => parts.push(Uint8Array.from(part)));
          const lines = reader[Symbol.asyncIterator]();
          for (let i = 0; i < stopAfter; i += 1) {
            const { done, value } = await lines.next();
            if (done) break;
            if ('text' in value) parts.push(Buffer.from(value.text));
          }
          parts.push(reader.takeRest());
          const withoutEndings = (all: readonly Uint8Array[]) =>
            Buffer.concat(all)
              .toString('latin1')
              .replaceAll(/[\r\n]/g, '');
          assert.equal(withoutEndings(parts), withoutEndings(pulled));
        },
      ),
    );
  });

  it('take bounded memory, however long they are', async () => {
    let most = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (let i = 0; i < 10_000; i += 1) yield Buffer.alloc(1000, 'x');
    }
    const lines = await Array.fromAsync(
      new LineReader(endless(), 5000, (part) => {
        most = Math.max(most, part.length);
      }),
    );
    assert.ok(most <= 6002);
    assert.deepEqual(lines.map(numberAndProblem), [[1, 'too long']]);
    assert.ok('start' in lines[0]! && lines[0].start.length <= 200);
    assert.equal(lines[0].bytes, 10_000_000);
  });
});
