/**
 * Text that others wrote, made harmless for where it goes. What is hidden is decided in one place for all of them,
 * `@skytale/chat/shown-text`; here is what stands there instead. Nothing that came from the network reaches a terminal or a
 * pipe except through here (names: through `shownName`).
 */
import { replaceHidden } from '@skytale/chat/shown-text';

/** A code point as JSON has it; of one beyond U+FFFF both halves. */
const asUnicodeEscape = (character: string): string =>
  Array.from(
    { length: character.length },
    (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`,
  ).join('');

const asControlEscape = (character: string): string => {
  if (character === '\n') return '\\n';
  if (character === '\r') return '\\r';
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
};

/**
 * One line for a pipe, from which the text can be had back: `\n` for a line break, `\\` for a backslash,
 * `\r`, `\xNN` for another control character (a tab stays), `\uNNNN` for all else that is hidden, in UTF-16.
 */
export function escapeLine(text: string): string {
  return replaceHidden(text.replaceAll('\\', '\\\\'), (character, kind) => {
    if (character === '\t') return character;
    return kind === 'control' ? asControlEscape(character) : asUnicodeEscape(character);
  });
}

/** JSON in which everything hidden is escaped, DEL, C1 and what reorders text too, which JSON.stringify leaves. */
export function escapeJson(value: unknown): string {
  return replaceHidden(JSON.stringify(value), asUnicodeEscape);
}

/** For the terminal: lines and tabs stay, controls become visible escapes, what reorders or cannot be seen goes, what is no blank and looks like one becomes one. */
export function displayText(text: string): string {
  return replaceHidden(text.replace(/\r\n?/g, '\n'), (character, kind) => {
    switch (kind) {
      case 'control':
        return character === '\n' || character === '\t' ? character : asControlEscape(character);
      case 'break':
        return '\n';
      case 'blank':
        return ' ';
      case 'unknown':
        return '\ufffd';
      default:
        return '';
    }
  });
}

/** As `displayText`, on one line. */
export function displayLine(text: string): string {
  return displayText(text).replace(/\s*\n\s*/g, ' ');
}
