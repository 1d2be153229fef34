import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { encode } from 'cborg';
import fc from 'fast-check';
import { anyText } from '../testing/any-text.ts';
import { decodeContent, encodeContent, MAX_TEXT_BYTES } from './content.ts';

const message = { kind: 'text', name: 'alice', text: 'hello', at: 1 } as const;
const refused = { code: 'MALFORMED_CONTENT' };

describe('content', () => {
  it('is read back, whatever the text', () => {
    const name = anyText({ minLength: 1, maxLength: 16 });
    fc.assert(
      fc.property(anyText({ maxLength: 300 }), name, fc.nat(), (text, name, at) => {
        for (const content of [
          { kind: 'text', name, text, at } as const,
          { kind: 'name', name, at } as const,
        ])
          assert.deepEqual(decodeContent(encodeContent(content)), content);
      }),
    );
  });

  it('takes a text of the greatest length and no more', () => {
    const longest = { ...message, text: 'x'.repeat(MAX_TEXT_BYTES) };
    assert.deepEqual(decodeContent(encodeContent(longest)), longest);
    assert.throws(() => encodeContent({ ...message, text: `${longest.text}x` }), RangeError);
    assert.throws(() => encodeContent({ ...message, text: 'é'.repeat(MAX_TEXT_BYTES / 2 + 1) }), RangeError);
  });

  it('ignores fields of later versions', () => {
    assert.deepEqual(decodeContent(encode({ ...message, colour: 'red' })), message);
  });

  for (const [what, bytes] of Object.entries({
    'a kind that is no name': encode({ ...message, kind: 5 }),
    'no name': encode({ ...message, name: '' }),
    'a name alone that is none': encode({ kind: 'name', name: '', at: 1 }),
    'a text that is not there': encode({ kind: 'text', name: 'alice', at: 1 }),
    'a name too long': encode({ ...message, name: 'n'.repeat(65) }),
    'a number for a text': encode({ ...message, text: 5 }),
    'a time that is not whole': encode({ ...message, at: 1.5 }),
    'a time beyond all dates': encode({ ...message, at: 2 ** 53 - 1 }),
    'a list': encode([message]),
    'a key twice': Uint8Array.of(0xa2, 0x61, 0x61, 0x01, 0x61, 0x61, 0x02),
    'bytes behind it': Uint8Array.of(...encode(message), 0),
    'an indefinite length': Uint8Array.of(0xbf, 0xff),
    nothing: new Uint8Array(0),
    'nesting without end': new Uint8Array(60_000).fill(0x81),
    'too many bytes': new Uint8Array(100_000),
  })) {
    it(`refuses ${what}`, () => {
      assert.throws(() => decodeContent(bytes), refused);
    });
  }

  it('never breaks on arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        try {
          decodeContent(bytes);
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'MALFORMED_CONTENT');
        }
      }),
    );
  });
});
