import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { encode } from 'cborg';
import fc from 'fast-check';
import { anyText } from '../testing/any-text.ts';
import { type Content, decodeContent, encodeContent, MAX_KIND_BYTES, MAX_TEXT_BYTES } from './content.ts';

const message = { kind: 'text', name: 'alice', text: 'hello', at: 1 } as const;
const id = new Uint8Array(16).fill(9);
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
    assert.deepEqual(decodeContent(encode({ ...message, colour: 'red', size: [1, { a: null }] })), message);
  });

  it('is read back with the id of its draft, and with the numbers that were given up', () => {
    for (const kind of [{ kind: 'text', text: 'hello' } as const, { kind: 'name' } as const]) {
      const draft = { ...kind, name: 'alice', at: 1, id, instead: [5, 7] };
      assert.deepEqual(decodeContent(encodeContent(draft)), draft);
    }
  });

  it('has an id in memory of its own', () => {
    const bytes = encodeContent({ ...message, id });
    const { id: read } = decodeContent(bytes);
    bytes.fill(0);
    assert.deepEqual(read, id);
    assert.equal(read?.buffer.byteLength, 16);
  });

  it('of a kind that a later version has is read as far as every content is the same', () => {
    const poll = { kind: 'poll', name: 'alice', at: 1, id, instead: [5], text: 7, choices: ['a', { b: [] }] };
    assert.deepEqual(decodeContent(encode(poll)), {
      kind: 'unknown',
      of: 'poll',
      name: 'alice',
      at: 1,
      id,
      instead: [5],
    });
    // Not even this one is taken for what it says.
    assert.deepEqual(decodeContent(encode({ kind: 'unknown', of: 'text', name: 'a', at: 1 })), {
      kind: 'unknown',
      of: 'unknown',
      name: 'a',
      at: 1,
    });
    for (const kind of ['toString', '__proto__', 'TEXT', 'k'.repeat(MAX_KIND_BYTES)]) {
      const content = decodeContent(encode({ ...message, kind }));
      assert.deepEqual(content, { kind: 'unknown', of: kind, name: 'alice', at: 1 });
    }
  });

  it('of a kind that a later version has cannot be sent', () => {
    const unknown = { kind: 'unknown', of: 'poll', name: 'alice', at: 1 } as unknown as Content;
    assert.throws(() => encodeContent(unknown), RangeError);
  });

  it('takes no key for a property of objects', () => {
    const hidden = new Map<string, unknown>([['__proto__', message]]);
    assert.throws(() => decodeContent(encode(hidden)), refused);
    const besides = new Map<string, unknown>([...Object.entries(message), ['__proto__', { text: 'other' }]]);
    assert.deepEqual(decodeContent(encode(besides)), message);
  });

  for (const [what, bytes] of Object.entries({
    'a kind that is no name': encode({ ...message, kind: 5 }),
    'an empty kind': encode({ ...message, kind: '' }),
    'a kind with a name too long': encode({ ...message, kind: 'k'.repeat(65) }),
    'an unknown kind without a name': encode({ kind: 'poll', at: 1 }),
    'an unknown kind with a name too long': encode({ kind: 'poll', name: 'n'.repeat(65), at: 1 }),
    'an unknown kind beyond all dates': encode({ kind: 'poll', name: 'alice', at: -1 }),
    'no kind': encode({ name: 'alice', text: 'hello', at: 1 }),
    'keys that are no names': encode(new Map<unknown, unknown>([...Object.entries(message), [5, 1]])),
    'an id too short': encode({ ...message, id: new Uint8Array(15) }),
    'an id too long': encode({ ...message, id: new Uint8Array(17) }),
    'an id that is a text': encode({ ...message, id: 'x'.repeat(16) }),
    'a number 0 given up': encode({ ...message, instead: [0] }),
    'a number given up that is none': encode({ ...message, instead: ['5'] }),
    'an empty list of numbers given up': encode({ ...message, instead: [] }),
    'too many numbers given up': encode({ ...message, instead: Array(17).fill(1) }),
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
