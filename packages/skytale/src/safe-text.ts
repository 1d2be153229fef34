/**
 * Makes text that others wrote harmless before it is shown. A raw escape sequence could repaint the screen,
 * set the window's title or make the terminal type; a bidirectional override could show a text in another
 * order than it is stored. Nothing that came from the network reaches a terminal or a pipe except through here.
 */

// C0 controls without tab, DEL, C1 controls (some terminals take U+009B for ESC [).
const controls = /[^\P{Cc}\t]/gu;
// Embeddings, overrides and isolates; marks; and the two separators that some programs take for a line's end.
const reordering = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const separators = /[\u2028\u2029]/g;
// A surrogate without its other half cannot be written as UTF-8.
const loneSurrogates = /\p{Surrogate}/gu;

const hex = (character: string, digits: number): string =>
  character.charCodeAt(0).toString(16).padStart(digits, '0');
const asUnicodeEscape = (character: string): string => `\\u${hex(character, 4)}`;
const asShortEscape = (character: string): string =>
  character === '\n' ? '\\n' : character === '\r' ? '\\r' : `\\x${hex(character, 2)}`;

/**
 * One line for a pipe, from which the text can be had back: `\n` for a line break, `\\` for a backslash,
 * `\r`, `\xNN` for another control character (a tab stays), `\uNNNN` for what reorders text or breaks lines.
 */
export function escapeLine(text: string): string {
  return text
    .replaceAll('\\', '\\\\')
    .replace(controls, asShortEscape)
    .replace(reordering, asUnicodeEscape)
    .replace(separators, asUnicodeEscape)
    .replace(loneSurrogates, asUnicodeEscape);
}

/** JSON that is harmless on a terminal too: JSON.stringify leaves DEL, C1 and the reordering characters as they are. */
export function escapeJson(value: unknown): string {
  return JSON.stringify(value)
    .replace(controls, asUnicodeEscape)
    .replace(reordering, asUnicodeEscape)
    .replace(separators, asUnicodeEscape);
}

/** For the terminal client: lines stay lines, controls become visible escapes, reordering characters go. */
export function displayText(text: string): string {
  return text
    .replace(/\r\n?/g, '\n')
    .replace(/[\u2028\u2029]/g, '\n')
    .replace(controls, (character) => (character === '\n' ? '\n' : asShortEscape(character)))
    .replace(reordering, '')
    .replace(loneSurrogates, '\ufffd');
}

/** Characters of a name that are shown. */
const longestName = 32;

/** A name on one line, without what cannot be seen (it would let two different names look alike), not too long. */
export function displayName(name: string): string {
  const visible = displayText(name.normalize('NFC'))
    .replace(/[\p{Default_Ignorable_Code_Point}]/gu, '')
    .replace(/\s+/g, ' ')
    .trim();
  const graphemes = Array.from(new Intl.Segmenter().segment(visible), ({ segment }) => segment);
  const shown = graphemes.length > longestName ? `${graphemes.slice(0, longestName - 1).join('')}…` : visible;
  return shown === '' ? '(no name)' : shown;
}
