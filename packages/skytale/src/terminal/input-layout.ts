/** Breaks the text being typed into the rows of a terminal and finds the cursor among them. */
import { cellsOf, graphemes, tabWidth, widthOf } from './text-width.ts';

export type InputLayout = {
  readonly rows: readonly string[];
  readonly cursorRow: number;
  /** The part of the cursor's row that is before the cursor. */
  readonly beforeCursor: string;
};

/**
 * @param prompt stands before the first row; rows after it are indented as far. No escape sequences.
 * @param cursor UTF-16 offset into the text
 * @param width cells of a row, all included
 * @param height rows to show at most, those around the cursor
 */
export function layoutInput(
  prompt: string,
  text: string,
  cursor: number,
  width: number,
  height: number,
): InputLayout {
  const indent = ' '.repeat(widthOf(prompt));
  const rows: string[] = [];
  let row = prompt;
  let used = indent.length;
  let cursorRow = 0;
  let beforeCursor = prompt;
  let offset = 0;
  const next = () => {
    rows.push(row);
    row = indent;
    used = indent.length;
  };
  const markCursor = () => {
    cursorRow = rows.length;
    beforeCursor = row;
  };
  for (const grapheme of graphemes(text)) {
    const isBreak = grapheme === '\n';
    const cells = isBreak ? 0 : cellsOf(grapheme);
    if (used + cells > width && used > indent.length) next();
    if (offset === cursor) markCursor();
    offset += grapheme.length;
    if (isBreak) next();
    else {
      row += grapheme === '\t' ? ' '.repeat(tabWidth) : grapheme;
      used += cells;
    }
  }
  if (offset <= cursor) {
    if (used >= width && used > indent.length) next();
    markCursor();
  }
  rows.push(row);
  const from = Math.max(0, Math.min(cursorRow, rows.length - height));
  return { rows: rows.slice(from, from + height), cursorRow: cursorRow - from, beforeCursor };
}
