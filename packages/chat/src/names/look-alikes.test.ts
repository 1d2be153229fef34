import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { textOfEveryCategory } from '../testing/every-category.ts';
import { looksOf, looksTheSame, NamesInUse } from './look-alikes.ts';
import { shownName } from './shown-name.ts';

describe('names', () => {
  it('look the same in another case, another script, with spaces and with what cannot be seen', () => {
    for (const [one, other] of [
      ['Alice', 'alice'],
      ['alice', 'ALICE'],
      ['Вася', 'вася'],
      ['ΝΙΚΟΣ', 'Νικος'],
      ['straße', 'STRASSE'],
      ['alice', '\u0430lice'], // Cyrillic а
      ['alice', 'аӏісе'], // all Cyrillic
      ['Alice', 'A\u200bli\u2800ce'],
      ['alice smith', 'alice  smith'],
      ['Alice', 'AIice'], // a capital I
      ['alice', 'AIice'],
      ['modern', 'rnodern'],
      ['bob', 'ｂｏｂ'],
      ['bob', '𝓫𝓸𝓫'],
      ['b0b', 'bOb'],
      ['é', 'e\u0301'],
      ['\u3164', '\u2800'],
    ] as const) {
      assert.ok(looksTheSame(one, other), `${one} ${other}`);
      assert.ok(looksTheSame(other, one), `${other} ${one}`);
    }
  });

  it('look different where they are', () => {
    for (const [one, other] of [
      ['alice', 'bob'],
      ['eli', 'ell'],
      ['anna', 'ann'],
      ['Вася', 'Петя'],
      ['日本', '日木'],
    ] as const) {
      assert.ok(!looksTheSame(one, other), `${one} ${other}`);
    }
  });

  it('look the same whenever they are shown the same', () => {
    fc.assert(
      fc.property(textOfEveryCategory(), (name) => {
        assert.deepEqual(looksOf(shownName(name)), looksOf(name));
        assert.ok(
          looksTheSame(name, name.toUpperCase().toLowerCase()) || name === '' || name !== name.normalize(),
        );
      }),
    );
  });
});

describe('the names in use', () => {
  it('are those of a list, whatever is given and taken', () => {
    const names = ['alice', 'Alice', 'AIice', 'аlice', 'bob', 'B0b', 'rn', 'm', '', '\u2800'];
    const change = fc.tuple(fc.integer({ min: 0, max: 5 }), fc.option(fc.constantFrom(...names)));
    fc.assert(
      fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
        const inUse = new NamesInUse<number>();
        const list = new Map<number, string>();
        for (const [id, name] of changes) {
          if (name === null) {
            inUse.delete(id);
            list.delete(id);
          } else {
            inUse.set(id, name);
            list.set(id, name);
          }
          for (const [bearer, borne] of list) {
            const others = [...list].filter(([other, its]) => other !== bearer && looksTheSame(its, borne));
            const found = inUse.other(bearer);
            if (others.length === 0) assert.equal(found, undefined);
            else assert.ok(others.some(([other]) => other === found));
          }
        }
      }),
    );
  });
});
