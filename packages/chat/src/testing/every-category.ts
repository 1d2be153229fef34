import fc from 'fast-check';

/** The general categories of Unicode (UAX 44, table 12). */
export const categories = [
  ...['Lu', 'Ll', 'Lt', 'Lm', 'Lo', 'Mn', 'Mc', 'Me', 'Nd', 'Nl', 'No'],
  ...['Pc', 'Pd', 'Ps', 'Pe', 'Pi', 'Pf', 'Po', 'Sm', 'Sc', 'Sk', 'So'],
  ...['Zs', 'Zl', 'Zp', 'Cc', 'Cf', 'Cs', 'Co', 'Cn'],
] as const;

/** All code points, halves of surrogate pairs among them. */
export function* codePoints(): Generator<string, void> {
  for (let point = 0; point <= 0x10ffff; point += 1) yield String.fromCodePoint(point);
}

/** Characters of each category; of the large ones each so-many-th only. */
function sample(): string[][] {
  const of = new Map<string, string[]>(categories.map((category) => [category, []]));
  const patterns = categories.map((category) => [category, new RegExp(`\\p{${category}}`, 'u')] as const);
  for (const character of codePoints()) {
    const point = character.codePointAt(0)!;
    if (point > 0x3100 && point < 0x1f000 && point % 97 !== 0) continue;
    if (point > 0x20000 && point % 997 !== 0 && point >> 8 !== 0xe00 && point >> 8 !== 0xe01) continue;
    of.get(patterns.find(([, pattern]) => pattern.test(character))![0])!.push(character);
  }
  return [...of.values()];
}

/** Texts in which every category of Unicode is as likely as any other, however few characters it has. */
export function textOfEveryCategory(): fc.Arbitrary<string> {
  const unit = fc.oneof(...sample().map((characters) => fc.constantFrom(...characters)));
  return fc.string({ unit, maxLength: 12 });
}
