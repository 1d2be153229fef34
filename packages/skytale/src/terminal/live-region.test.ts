import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { layoutInput } from './input-layout.ts';
import { LiveRegion } from './live-region.ts';
import { fit, widthOf, wrapWords } from './text-width.ts';

describe('text width', () => {
  it('counts cells', () => {
    for (const [text, width] of [
      ['abc', 3],
      ['é', 1],
      ['e\u0301', 1],
      ['日本', 4],
      ['👨‍👩‍👧', 2],
      ['🇬🇷', 2],
      ['❤️', 2],
      ['\u200b', 0],
      ['5', 1],
    ] as const)
      assert.equal(widthOf(text), width, JSON.stringify(text));
  });

  it('cuts to fit', () => {
    assert.equal(fit('日本語', 6), '日本語');
    assert.equal(fit('日本語', 5), '日本…');
    assert.equal(fit('日本語', 4), '日…');
  });
});

describe('wrapping', () => {
  it('breaks at spaces and leaves long words whole', () => {
    assert.deepEqual(wrapWords('one two three', 8), ['one two', 'three']);
    assert.deepEqual(wrapWords('https://example.org/long x', 8), ['https://example.org/long', 'x']);
    assert.deepEqual(wrapWords('  indented  more ', 40), ['  indented  more ']);
    assert.deepEqual(wrapWords('', 8), ['']);
  });
});

describe('layout of the input', () => {
  it('wraps, indents, and finds the cursor', () => {
    const layout = layoutInput('> ', 'abcdef', 4, 6, 10);
    assert.deepEqual(layout, { rows: ['> abcd', '  ef'], cursorRow: 1, beforeCursor: '  ' });
    assert.deepEqual(layoutInput('> ', 'abcd', 4, 6, 10), {
      rows: ['> abcd', '  '],
      cursorRow: 1,
      beforeCursor: '  ',
    });
    assert.deepEqual(layoutInput('> ', 'a\nb', 1, 6, 10), {
      rows: ['> a', '  b'],
      cursorRow: 0,
      beforeCursor: '> a',
    });
  });

  it('shows the rows around the cursor of a long text', () => {
    const text = 'a\nb\nc\nd';
    assert.deepEqual(layoutInput('', text, 0, 6, 2).rows, ['a', 'b']);
    assert.deepEqual(layoutInput('', text, 7, 6, 2).rows, ['c', 'd']);
  });

  it('never passes the width nor the height, and the cursor is always in view', () => {
    const texts = fc.string({ unit: fc.constantFrom('a', '日', '\n', '👨‍👩‍👧', '\t'), maxLength: 60 });
    fc.assert(
      fc.property(
        texts,
        fc.nat(200),
        fc.integer({ min: 8, max: 20 }),
        fc.integer({ min: 1, max: 5 }),
        (text, at, width, height) => {
          const { rows, cursorRow, beforeCursor } = layoutInput(
            '> ',
            text,
            Math.min(at, text.length),
            width,
            height,
          );
          assert.ok(rows.length <= height);
          for (const row of rows) assert.ok(widthOf(row) <= width, JSON.stringify(rows));
          assert.ok(rows[cursorRow]?.startsWith(beforeCursor));
        },
      ),
    );
  });
});

describe('live region', () => {
  it('goes back to its first row before it prints above, narrower windows taken into account', () => {
    let written = '';
    const screen = { columns: 20, write: (data: string) => (written = data) };
    const region = new LiveRegion(screen);
    region.draw('', { rows: ['x'.repeat(15), '> abc'], cursorRow: 1, beforeCursor: '> abc' });
    assert.ok(written.endsWith('\r> abc\x1b[?25h'));
    region.draw('hello\n', { rows: ['> '], cursorRow: 0, beforeCursor: '> ' });
    assert.ok(written.startsWith('\x1b[?25l\r\x1b[1A\x1b[Jhello\r\n> '));
    region.draw('', { rows: ['x'.repeat(15), '> abc'], cursorRow: 1, beforeCursor: '> abc' });
    screen.columns = 10;
    region.clear();
    assert.ok(written.startsWith('\r\x1b[2A\x1b[J'));
  });
});
