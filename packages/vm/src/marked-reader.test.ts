import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MarkedReader } from './marked-reader.ts';

describe('a marked reader', () => {
  it('finds data, mark and line however the bytes are cut, also where data looks like a mark', () => {
    const mark = 'abab-c';
    const data = fc.string({ unit: fc.constantFrom('a', 'b', '-', '\n'), maxLength: 40 });
    fc.assert(
      fc.property(
        data,
        data,
        fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }),
        (before, after, sizes) => {
          const reader = new MarkedReader();
          const seen: string[] = [];
          let first = '';
          let second = '';
          reader.expect({
            mark,
            onData: (bytes) => {
              first += bytes;
            },
            onMark: (line) => {
              seen.push(line);
              reader.expect({
                mark,
                onData: (bytes) => {
                  second += bytes;
                },
                onMark: (last) => seen.push(last),
              });
            },
          });
          const bytes = Buffer.from(`${before}${mark} 0\n${after}${mark} 17\nlate`);
          for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
            const size = sizes[turn % sizes.length]!;
            reader.push(bytes.subarray(at, at + size));
            at += size;
          }
          assert.deepEqual(seen, [' 0', ' 17']);
          assert.deepEqual([first, second], [before, after]);
        },
      ),
    );
  });

  it('passes data on at once, but for what may be the beginning of a mark', () => {
    const reader = new MarkedReader();
    let data = '';
    reader.expect({
      mark: 'MARK',
      onData: (bytes) => {
        data += bytes;
      },
      onMark: () => {},
    });
    reader.push(Buffer.from('prompt> MA'));
    assert.equal(data, 'prompt> ');
    reader.push(Buffer.from('N'));
    assert.equal(data, 'prompt> MAN');
  });

  it('keeps little of a line without end', () => {
    const reader = new MarkedReader();
    let length = 0;
    reader.expect({
      mark: 'MARK',
      onData: (bytes) => {
        length += bytes.length;
      },
      onMark: () => assert.fail('there is no line'),
    });
    reader.push(Buffer.from('MARK'));
    for (let turn = 0; turn < 10; turn += 1) reader.push(Buffer.alloc(100, 120));
    assert.ok(length >= 900);
  });
});
