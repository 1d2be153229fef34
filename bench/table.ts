import type { Row } from './row.ts';

/** Three significant digits, thousands grouped: what a benchmark can claim; nothing for what was not measured. */
function figure(value: number): string {
  if (Number.isNaN(value)) return '';
  return value >= 1000
    ? Math.round(Number(value.toPrecision(3))).toLocaleString('en')
    : Number(value.toPrecision(3)).toString();
}

/** Rows as a Markdown table, so that it can be pasted into docs/performance.md. */
export function formatTable(rows: readonly Row[]): string {
  const lines = [['case', 'value', 'unit', 'beside', 'its value', 'ratio']];
  for (const row of rows) {
    lines.push([
      row.case,
      figure(row.value),
      row.unit,
      row.peer ?? '',
      row.limit === undefined ? '' : figure(row.limit),
      row.ratio === undefined ? '' : row.ratio.toFixed(2),
    ]);
  }
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  const numeric = new Set([1, 4, 5]);
  const format = (line: string[]) =>
    `| ${line.map((cell, i) => (numeric.has(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join(' | ')} |`;
  const rule = `|${widths.map((width, i) => (numeric.has(i) ? `${'-'.repeat(width + 1)}:` : '-'.repeat(width + 2))).join('|')}|`;
  return [format(lines[0]!), rule, ...lines.slice(1).map(format)].join('\n');
}
