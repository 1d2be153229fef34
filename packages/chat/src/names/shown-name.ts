/** Names as they are shown, and which one may choose for oneself. */
import { hasHidden, replaceHidden } from './shown-text.ts';

/** Of a name as it is shown, in characters as a person counts them. */
const LONGEST_SHOWN = 32;

const invisible = /\p{Default_Ignorable_Code_Point}/gu;
/** A mark without anything that it is on is next to nothing. */
const visible = /[\p{L}\p{N}\p{P}\p{S}]/u;

const segmenter = new Intl.Segmenter();

/** A name on one line, without anything that cannot be seen, not too long; `(no name)` where nothing is left. */
export function shownName(name: string): string {
  const text = replaceHidden(name.replace(invisible, '').normalize('NFC'), (character, kind) => {
    if (kind === 'break' || kind === 'blank' || /\s/.test(character)) return ' ';
    return kind === 'control' || kind === 'unknown' ? '\u{fffd}' : '';
  });
  const line = text.replace(/\s+/g, ' ').trim();
  return visible.test(line) ? shortened(line) : '(no name)';
}

/** Whether a name may be one's own: all of it can be seen, and there is something to see. */
export function isVisibleName(name: string): boolean {
  return !hasHidden(name) && visible.test(name);
}

function shortened(name: string): string {
  if (name.length <= LONGEST_SHOWN) return name;
  const graphemes = Array.from(segmenter.segment(name), ({ segment }) => segment);
  if (graphemes.length <= LONGEST_SHOWN) return name;
  return `${graphemes.slice(0, LONGEST_SHOWN - 1).join('')}…`;
}
