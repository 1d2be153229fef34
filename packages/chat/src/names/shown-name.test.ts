import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { codePoints, textOfEveryCategory } from '../testing/every-category.ts';
import { isVisibleName, shownName } from './shown-name.ts';
import { hasHidden } from './shown-text.ts';

const nobody = '(no name)';

describe('a name as it is shown', () => {
  it('is never invisible, endless, in disguise, or of several lines', () => {
    assert.equal(shownName('al\u200bice\u202e'), 'alice');
    assert.equal(shownName('a\n\tb\u2028c'), 'a b c');
    assert.equal(shownName('x'.repeat(40)), `${'x'.repeat(31)}…`);
    assert.equal(shownName('\x1b[2J'), '\ufffd[2J');
    assert.equal(shownName('alice\u2800\u2800'), 'alice');
  });

  it('is “(no name)” where there is nothing to see', () => {
    for (const name of [
      ...[
        '',
        ' \n ',
        '\u2800',
        '\u2800 \u2800',
        '\u3164',
        '\u115f\u1160',
        '\uffa0',
        '\u034f',
        '\u200d\ufe0f',
      ],
      ...['\u0301', '\u{1d159}', '\u{13441}\u{13442}', '\u{e0041}', '\u17b4', '\u180e', '\u3000'],
    ]) {
      assert.equal(shownName(name), nobody, JSON.stringify(name));
      assert.equal(isVisibleName(name), false, JSON.stringify(name));
    }
  });

  it('is visible whatever it is made of', () => {
    for (const character of codePoints()) {
      const shown = shownName(character);
      assert.ok(shown === nobody || /[\p{L}\p{N}\p{P}\p{S}]/u.test(shown));
      if (hasHidden(shown)) assert.fail(`U+${character.codePointAt(0)!.toString(16)}`);
    }
    fc.assert(
      fc.property(textOfEveryCategory(), (name) => {
        const shown = shownName(name);
        assert.ok(!hasHidden(shown) && shown.trim() === shown && shown !== '');
        assert.equal(shownName(shown), shown);
      }),
    );
  });
});

it('a name of one’s own is visible, all of it', () => {
  for (const name of ['alice', 'Ἀλίκη', '日本', '👩', 'a b', '⠁']) assert.ok(isVisibleName(name), name);
  for (const name of ['a\u200bb', 'a\u2800', 'a\x1b', 'a\u202e', '\ue000', '\u0301']) {
    assert.ok(!isVisibleName(name), JSON.stringify(name));
  }
});
