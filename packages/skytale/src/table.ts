import { stripVTControlCharacters } from 'node:util';
import { widthOf, wrapWords } from './terminal/text-width.ts';

const cells = (text: string): number => widthOf(stripVTControlCharacters(text));

/**
 * Rows with their columns one below the other, two spaces between them.
 * @param width cells in which the last column is wrapped, for a terminal
 */
export function table(rows: readonly (readonly string[])[], width = Number.POSITIVE_INFINITY): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cells(cell));
  }
  return rows
    .flatMap((row) => {
      const head = row.slice(0, -1).map((cell, i) => `  ${cell}${' '.repeat(widths[i]! - cells(cell))}`);
      const indent = cells(head.join('')) + 2;
      const last = wrapWords(row.at(-1) ?? '', Math.max(20, width - indent));
      return last.map((part, i) => (i === 0 ? `${head.join('')}  ` : ' '.repeat(indent)) + part);
    })
    .map((line) => line.trimEnd())
    .join('\n');
}
