import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { codePoints, textOfEveryCategory } from '../testing/every-category.ts';
import { type HiddenKind, harmless, hasHidden, replaceHidden } from './shown-text.ts';

/** What must never come through, said in another way than the code says it. */
const dangerous =
  /\u034f|\u17b4|\u17b5|[\p{Cc}\p{Cn}\p{Co}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}\u00ad\u115f\u1160\u180e\u200b\u2060-\u206f\u2800\u3164\ufeff\uffa0\ufff9-\ufffb\u{13441}\u{13442}\u{1d159}]/u;

const kindsIn = (text: string): HiddenKind[] => {
  const kinds: HiddenKind[] = [];
  replaceHidden(text, (_character, kind) => {
    kinds.push(kind);
    return '';
  });
  return kinds;
};

describe('what may be shown', () => {
  it('has nothing of what must not, of all code points', () => {
    for (const character of codePoints()) {
      const shown = harmless(`a${character}`);
      if (dangerous.test(shown)) assert.fail(`U+${character.codePointAt(0)!.toString(16)} comes through`);
    }
  });

  it('has nothing of it in any company', () => {
    fc.assert(
      fc.property(textOfEveryCategory(), (text) => {
        assert.doesNotMatch(harmless(text), dangerous);
        const kept = replaceHidden(text, () => '');
        assert.doesNotMatch(kept, dangerous);
        // Only behind or between what can be seen.
        assert.doesNotMatch(kept, /^\p{Default_Ignorable_Code_Point}/u);
      }),
    );
  });

  it('is all of what everybody writes', () => {
    for (const text of [
      'γειά שלום 日本 é e\u0301 “quoted” – 1½ €',
      '👨‍👩‍👧‍👦 👩🏽‍🦰 ❤️‍🔥 1️⃣ 🇬🇷 🏴󠁧󠁢󠁷󠁬󠁳󠁿 🧑‍🌾 葛󠄀',
      'می‌خواهم क्‍ष ශ්‍රී \u06dd',
      '⠓⠑⠇⠇⠕ ⠃⠗⠇',
    ]) {
      assert.equal(
        replaceHidden(text, (character) =>
          assert.fail(`U+${character.codePointAt(0)!.toString(16)} in ${text}`),
        ),
        text,
      );
    }
  });

  it('says why something is hidden', () => {
    const of: Record<HiddenKind, string> = {
      control: '\t\n\x1b\x7f\x9b',
      order: '\u061c\u200e\u202e\u2066',
      break: '\u2028\u2029',
      invisible: '\u200b\u00ad\ufeff\u3164\u{e0041}\ufff9',
      blank: '\u2800\u{1d159}\u{13441}\u{13442}',
      unknown: '\ud800\ue000\u0378\uffff\u{10ffff}',
    };
    for (const [kind, text] of Object.entries(of)) {
      assert.deepEqual(
        kindsIn(text),
        Array.from(text, () => kind),
        kind,
      );
    }
  });

  it('has no joiner that joins nothing', () => {
    assert.equal(harmless('\u200da \u200d b\u200d'), '\ufffda \ufffd b\ufffd');
    assert.equal(harmless('\ufe0f'), '\ufffd');
    assert.equal(harmless('\u2800\ufe0f'), '\ufffd\ufffd');
    assert.equal(harmless('a\ufe0f\ufe0f'), 'a\ufe0f\ufffd');
    assert.equal(harmless('\u{1f3f4}\u{e0041}\u{e0042}'), '\u{1f3f4}\ufffd\ufffd');
  });

  it('is found hidden, or not', () => {
    assert.equal(hasHidden('plain é 日本'), false);
    for (const text of ['a\u200bb', 'a\nb', '👩‍👩']) assert.equal(hasHidden(text), true);
  });
});
