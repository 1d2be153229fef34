/** How many cells of a terminal a text takes. Terminals differ on rare characters; callers must survive that. */

const segmenter = new Intl.Segmenter();

/** The characters as a person counts them: a letter with its accents, or an emoji of several parts, is one. */
export function graphemes(text: string): string[] {
  return Array.from(segmenter.segment(text), ({ segment }) => segment);
}

/** Columns that a tab takes in the input line. */
export const tabWidth = 4;

const emoji = /\p{Emoji_Presentation}|\p{Emoji}\ufe0f/u;
const invisible = /^[\p{Mark}\p{Default_Ignorable_Code_Point}]/u;
// East Asian Wide and Fullwidth (Unicode Standard Annex 11), to whole blocks.
const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1b000}-\u{1b2ff}\u{20000}-\u{3fffd}]/u;

/** Cells of one grapheme: 0, 1 or 2; a tab's are `tabWidth`. */
export function cellsOf(grapheme: string): number {
  if (grapheme === '\t') return tabWidth;
  if (emoji.test(grapheme) || wide.test(grapheme)) return 2;
  return invisible.test(grapheme) ? 0 : 1;
}

/** Cells of a text without line breaks and without escape sequences. */
export function widthOf(text: string): number {
  return graphemes(text).reduce((sum, grapheme) => sum + cellsOf(grapheme), 0);
}

/** The longest beginning of a text that fits in so many cells, with `…` where something was cut off. */
export function fit(text: string, cells: number): string {
  if (widthOf(text) <= cells) return text;
  let used = 1;
  let result = '';
  for (const grapheme of graphemes(text)) {
    used += cellsOf(grapheme);
    if (used > cells) break;
    result += grapheme;
  }
  return `${result}…`;
}

/** Breaks a line into rows of at most so many cells, wherever that is; one character may be wider than a row. */
export function breakAnywhere(line: string, cells: number): string[] {
  const rows: string[] = [];
  let row = '';
  let used = 0;
  for (const grapheme of graphemes(line)) {
    const width = cellsOf(grapheme);
    if (used + width > cells && used > 0) {
      rows.push(row);
      row = '';
      used = 0;
    }
    row += grapheme;
    used += width;
  }
  rows.push(row);
  return rows;
}

/**
 * Breaks a line at spaces into rows of at most so many cells. A word that is longer stays whole, so that links can
 * still be copied; the terminal breaks it.
 */
export function wrapWords(line: string, cells: number): string[] {
  const rows: string[] = [];
  let row = '';
  let used = 0;
  for (const piece of line.match(/\s*\S+|\s+$/gu) ?? []) {
    const width = widthOf(piece);
    if (used + width > cells && used > 0) {
      rows.push(row);
      row = piece.trimStart();
      used = widthOf(row);
    } else {
      row += piece;
      used += width;
    }
  }
  rows.push(row);
  return rows;
}
