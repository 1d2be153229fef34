/**
 * What of a text that others wrote may be shown as it stands: the one place that says so, for terminals, pipes, names,
 * and sentences about others.
 *
 * A raw escape sequence could repaint the screen, set the window's title or make the terminal type; a bidirectional
 * override shows a text in another order than it is stored; what cannot be seen makes two texts look alike; of what
 * this version of Unicode does not assign nobody knows how it looks. All of that is *hidden* here, and whoever shows the
 * text says what stands in its place.
 */

/** Why a character is hidden. */
export type HiddenKind =
  /** Cc: C0 (tab and line feed too), DEL, C1. Some terminals take U+009B for ESC [. */
  | 'control'
  /** Bidi_Control: marks, embeddings, overrides, isolates. */
  | 'order'
  /** U+2028 and U+2029, which some programs take for a line's end. */
  | 'break'
  /** Default_Ignorable_Code_Point and other formats: no glyph, no width. */
  | 'invisible'
  /** Drawn as a blank, and no blank: a text could be set with them so that its end looks like another's line. */
  | 'blank'
  /** Unassigned, private, or half of a surrogate pair. */
  | 'unknown';

/**
 * Letters and symbols that are drawn as nothing, though no property of Unicode says so: the empty Braille pattern, a
 * musical note without a head, two blanks among the hieroglyphs. (The Hangul fillers are Default_Ignorable.)
 */
const blank = String.raw`[\u2800\u{1d159}\u{13441}\u{13442}]`;
// Formats that have a glyph (Prepended_Concatenation_Mark), such as the Arabic end of ayah, are no danger.
const hidden = String.raw`[[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}${blank}]--[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\u{110bd}\u{110cd}]]`;
const visible = String.raw`[[\p{L}\p{M}\p{N}\p{P}\p{S}]--[\p{Default_Ignorable_Code_Point}${blank}]]`;
const selector = String.raw`[\ufe00-\ufe0f\u180b-\u180d\u180f\u{e0100}-\u{e01ef}]`;
/**
 * Between and behind what can be seen, joiners and variation selectors change how it looks: families, flags, half the
 * scripts of India. They are part of it there.
 */
const joined = [
  String.raw`\u{1f3f4}[\u{e0030}-\u{e0039}\u{e0061}-\u{e007a}]{1,6}\u{e007f}`,
  `${visible}${selector}?(?:[\\u200c\\u200d]${visible}${selector}?)+`,
  `${visible}${selector}`,
].join('|');

const hiddenOrJoined = new RegExp(`(${joined})|${hidden}`, 'gv');
const anyHidden = new RegExp(hidden, 'v');
const anyBlank = new RegExp(blank, 'v');

/**
 * The text with something else in the place of each hidden character.
 * @param replace is given one code point, or half a surrogate pair
 */
export function replaceHidden(
  text: string,
  replace: (character: string, kind: HiddenKind) => string,
): string {
  return text.replace(hiddenOrJoined, (found: string, shown: string | undefined) =>
    shown === undefined ? replace(found, kindOf(found)) : shown,
  );
}

/** For a part of a sentence: one line, U+FFFD in the place of everything hidden. */
export function harmless(text: string): string {
  return replaceHidden(text, () => '\u{fffd}');
}

/** Whether a text has a hidden character, joiners included wherever they stand. */
export function hasHidden(text: string): boolean {
  return anyHidden.test(text);
}

function kindOf(character: string): HiddenKind {
  if (/\p{Cc}/u.test(character)) return 'control';
  if (/\p{Bidi_Control}/u.test(character)) return 'order';
  if (/[\p{Zl}\p{Zp}]/u.test(character)) return 'break';
  if (anyBlank.test(character)) return 'blank';
  return /[\p{Default_Ignorable_Code_Point}\p{Cf}]/u.test(character) ? 'invisible' : 'unknown';
}
