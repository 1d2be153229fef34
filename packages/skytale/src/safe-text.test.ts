import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { displayLine, displayText, escapeJson, escapeLine } from './safe-text.ts';

/** Every category of Unicode in turn, and what is most often made use of. */
const characters = [
  ...[
    'a',
    '\\',
    '\n',
    '\r',
    '\t',
    '\0',
    '\x1b',
    '\x7f',
    '\x9b',
    '\u00ad',
    '\u0301',
    '\u061c',
    '\u200b',
    '\u200d',
  ],
  ...[
    '\u200e',
    '\u202e',
    '\u2028',
    '\u2029',
    '\u2066',
    '\u2800',
    '\u3164',
    '\ufe0f',
    '\ufeff',
    '\ud800',
    '\udc00',
  ],
  ...[
    '\ue000',
    '\uffff',
    '\u{378}',
    '👩',
    '\u{1f3f4}',
    '\u{e0067}',
    '\u{e007f}',
    '\u{10ffff}',
    'ي',
    'क',
    '日',
  ],
];
const anyText = fc.string({
  unit: fc.oneof(
    fc.constantFrom(...characters),
    fc.integer({ min: 0, max: 0x10ffff }).map((point) => String.fromCodePoint(point)),
  ),
});
/** Tabs apart; joiners and selectors are looked at where it is decided what may be shown. */
const harmful =
  /[^\P{Cc}\t]|[\p{Bidi_Control}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}\u00ad\u200b\u2060-\u2064\u2800\u3164\ufeff]|^\p{DI}/u;

/** The inverse of escapeLine, as its documentation has it. */
function unescapeLine(line: string): string {
  return line.replace(/\\(?:([\\nr])|x([0-9a-f]{2})|u([0-9a-f]{4}))/g, (_all, short, byte, unit) =>
    short !== undefined
      ? { '\\': '\\', n: '\n', r: '\r' }[short as 'n']!
      : String.fromCharCode(Number.parseInt(byte ?? unit, 16)),
  );
}

describe('text from others', () => {
  it('is one harmless line in a pipe, and can be had back', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const line = escapeLine(text);
        assert.doesNotMatch(line, harmful);
        assert.equal(unescapeLine(line), text);
      }),
    );
  });

  it('is harmless as JSON, which says the same', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const json = escapeJson({ text });
        assert.doesNotMatch(json, harmful);
        assert.deepEqual(JSON.parse(json), { text });
      }),
    );
  });

  it('is harmless on the terminal, where lines stay lines', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        assert.doesNotMatch(displayText(text).replaceAll('\n', ''), harmful);
        assert.doesNotMatch(displayLine(text), harmful);
        assert.doesNotMatch(displayLine(text), /\n/);
      }),
    );
    assert.equal(displayText('a\r\nb\rc'), 'a\nb\nc');
    assert.equal(displayText('⠓⠑⠀⠃\u3164\uffa0'), '⠓⠑ ⠃');
    assert.equal(displayText('\x1b]0;owned\x07\x9b2J'), '\\x1b]0;owned\\x07\\x9b2J');
  });

  it('leaves emoji, tabs and writing of all kinds as they are', () => {
    const text = 'γειά\tשלום 👨‍👩‍👧 日本 🇬🇷';
    assert.equal(escapeLine(text), text);
    assert.equal(displayText(text), text);
    assert.equal(escapeLine('\ud800'), '\\ud800');
  });
});
