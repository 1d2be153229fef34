import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { displayName, displayText, escapeJson, escapeLine } from './safe-text.ts';

const anyText = fc.string({ unit: fc.integer({ min: 0, max: 0x2100 }).map((c) => String.fromCharCode(c)) });
const harmful = /[^\P{Cc}\t]|[\u202a-\u202e\u2066-\u2069\u2028\u2029]/u;

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
        assert.doesNotMatch(displayName(text), harmful);
        assert.doesNotMatch(displayName(text), /\n/);
      }),
    );
    assert.equal(displayText('a\r\nb\rc'), 'a\nb\nc');
    assert.equal(displayText('\x1b]0;owned\x07\x9b2J'), '\\x1b]0;owned\\x07\\x9b2J');
  });

  it('leaves emoji, tabs and writing of all kinds as they are', () => {
    const text = 'γειά\tשלום 👨‍👩‍👧 日本 🇬🇷';
    assert.equal(escapeLine(text), text);
    assert.equal(displayText(text), text);
    assert.equal(escapeLine('\ud800'), '\\ud800');
  });

  it('has names that cannot be invisible, endless or in disguise', () => {
    assert.equal(displayName('al\u200bice\u202e'), 'alice');
    assert.equal(displayName(' \n '), '(no name)');
    assert.equal(displayName('a\nb'), 'a b');
    assert.equal(displayName('x'.repeat(40)), `${'x'.repeat(31)}…`);
  });
});
