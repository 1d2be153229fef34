import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { foldAt, MAX_PARTS, type TextPart, textParts } from './text-parts.ts';

const linksIn = (text: string) =>
  textParts(text).flatMap((part) => (part.kind === 'link' ? [[part.text, part.href]] : []));
const written = (part: TextPart): string =>
  part.kind === 'hidden' ? String.fromCodePoint(Number.parseInt(part.code.slice(2), 16)) : part.text;

describe('a text on the page', () => {
  it('has links where http or https is written, and nothing of what surrounds them', () => {
    assert.deepEqual(linksIn('see https://example.org/a?b=c#d, or http://example.org.'), [
      ['https://example.org/a?b=c#d', 'https://example.org/a?b=c#d'],
      ['http://example.org', 'http://example.org/'],
    ]);
    assert.deepEqual(linksIn('(https://en.example/wiki/A_(b)) [https://x.example/]'), [
      ['https://en.example/wiki/A_(b)', 'https://en.example/wiki/A_(b)'],
      ['https://x.example/', 'https://x.example/'],
    ]);
    assert.deepEqual(linksIn('HTTPS://EXAMPLE.ORG/'), [['HTTPS://EXAMPLE.ORG/', 'https://example.org/']]);
  });

  it('has no other link, and none that leads elsewhere than it seems', () => {
    for (const text of [
      'javascript:alert(1)',
      'data:text/html,<script>alert(1)</script>',
      'file:///etc/passwd skytale://example.org:7000/a#b ftp://a.example',
      'https://bank.example@evil.example/',
      'https://bank.example:pw@evil.example/',
      'https://example.org/\u202egpj.exe',
      'https://exa\u200bmple.org',
      'https://',
      'http://[',
      'xhttps://example.org',
      `https://example.org/${'a'.repeat(3000)}`,
    ]) {
      assert.deepEqual(linksIn(text), [], text);
    }
  });

  it('says where a link leads whose name is not what it looks like', () => {
    const hosts = (text: string) =>
      textParts(text).flatMap((part) => (part.kind === 'link' ? [part.host] : []));
    assert.deepEqual(hosts('https://аррӏе.com/login'), ['xn--80ak6aa92e.com']);
    assert.match(hosts('https://bank.example⁄login.evil.example/')[0] ?? '', /^bank\.xn--.*\.evil\.example$/);
    assert.deepEqual(hosts('https://bank.example。evil.example'), ['bank.example.evil.example']);
    assert.deepEqual(hosts('http://0x7f.1/ http://2130706433'), ['127.0.0.1', '127.0.0.1']);
    assert.deepEqual(hosts('https://example.org https://EXAMPLE.org:8080?a http://[::1]/#x'), [
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('is read in time for its length, whatever ends its links', () => {
    // With a step for each bracket as long as the link these took the page half a minute.
    assert.deepEqual(linksIn(`https://example.org/x${')'.repeat(65_000)}`), [
      ['https://example.org/x', 'https://example.org/x'],
    ]);
    assert.deepEqual(linksIn(`https://example.org/${'.'.repeat(65_000)}x`), []);
  });

  it('has so many parts at most, whatever it is made of', () => {
    for (const text of ['\x07'.repeat(65_536), 'http://a.b '.repeat(6000), 'x\u200b'.repeat(20_000)]) {
      const parts = textParts(text);
      assert.ok(parts.length > MAX_PARTS / 3 && parts.length <= MAX_PARTS + 2, `${parts.length}`);
      assert.equal(
        parts.some((part) => part.kind === 'text' && /\p{Cc}|\u200b/u.test(part.text)),
        false,
      );
    }
  });

  it('shows what cannot be seen, and why', () => {
    assert.deepEqual(textParts('a\u202eb\x07\n\tc'), [
      { kind: 'text', text: 'a' },
      { kind: 'hidden', code: 'U+202E', why: 'order' },
      { kind: 'text', text: 'b' },
      { kind: 'hidden', code: 'U+0007', why: 'control' },
      { kind: 'text', text: '\n\tc' },
    ]);
    assert.deepEqual(textParts('\0\0'), [
      { kind: 'hidden', code: 'U+0000', why: 'control' },
      { kind: 'hidden', code: 'U+0000', why: 'control' },
    ]);
    assert.deepEqual(textParts('👨‍👩‍👧 می‌خواهم'), [{ kind: 'text', text: '👨‍👩‍👧 می‌خواهم' }]);
  });

  it('is the text, all of it, whatever it is', () => {
    const piece = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('https://a.example/(', ')', '\r\n', '\0', '\u202e', '\ud800', '<img src=x>', '@'),
    );
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const text = pieces.join('');
        assert.equal(textParts(text).map(written).join(''), text.replaceAll(/\r\n?/g, '\n'));
        for (const part of textParts(text)) {
          if (part.kind === 'link') assert.match(part.href, /^https?:\/\/[^/?#@]+[/?#]/);
        }
      }),
    );
  });
});

describe('a long text', () => {
  it('is folded after some lines, or where it is very long, and not for a little more', () => {
    assert.equal(foldAt('short'), 5);
    assert.equal(foldAt('a\n'.repeat(40)), 27);
    assert.equal(foldAt('x'.repeat(1300)), 1300);
    assert.equal(foldAt('x'.repeat(5000)), 1200);
    assert.equal(foldAt(`${'x'.repeat(1199)}${'😀'.repeat(1000)}`), 1199);
  });
});
