/**
 * Draws what `npm run bench -- growth --json` printed: `node bench/plot.ts < rows > docs/growth.svg`. A picture for each thing that
 * grows, in logarithmic scales, so that a cost that grows with n is a straight line upwards, and one that does not is level.
 */
import type { Row } from './row.ts';

const WIDTH = 420;
const HEIGHT = 260;
const MARGIN = { left: 64, right: 16, top: 36, bottom: 40 };
const COLUMNS = 2;

type Point = { readonly n: number; readonly value: number };
type Series = { readonly name: string; readonly unit: string; readonly points: Point[] };

function seriesOf(rows: readonly Row[]): Series[] {
  const all = new Map<string, Series>();
  for (const { case: name, value, unit } of rows) {
    const [, what = name, n = '0'] = /^(.*), ([0-9]+)$/.exec(name) ?? [];
    const series = all.get(what) ?? { name: what, unit, points: [] };
    all.set(what, series);
    series.points.push({ n: Number(n), value });
  }
  return [...all.values()];
}

/** Powers of ten around the values, and the values' place among them from 0 to 1. */
function scale(values: readonly number[]): { ticks: number[]; at: (value: number) => number } {
  const positive = values.map((value) => Math.max(value, 1e-6));
  const low = Math.floor(Math.log10(Math.min(...positive)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...positive))));
  const ticks = Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index));
  return { ticks, at: (value) => (Math.log10(Math.max(value, 1e-6)) - low) / (high - low) };
}

function short(value: number): string {
  if (value >= 1e6) return `${value / 1e6} M`;
  if (value >= 1e3) return `${value / 1e3} k`;
  return String(Number(value.toPrecision(1)));
}

function chart({ name, unit, points }: Series, index: number): string {
  const x = scale(points.map(({ n }) => n));
  const y = scale(points.map(({ value }) => value));
  const inner = { width: WIDTH - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom };
  const px = (n: number) => (MARGIN.left + x.at(n) * inner.width).toFixed(1);
  const py = (value: number) => (MARGIN.top + (1 - y.at(value)) * inner.height).toFixed(1);
  const base = MARGIN.top + inner.height;
  const lines = [
    `<g transform="translate(${(index % COLUMNS) * WIDTH} ${Math.floor(index / COLUMNS) * HEIGHT})">`,
    `<text class="title" x="${MARGIN.left}" y="20">${name}, ${unit}</text>`,
    ...y.ticks.map(
      (tick) =>
        `<path class="grid" d="M${MARGIN.left} ${py(tick)}h${inner.width}"/><text x="${MARGIN.left - 6}" y="${py(tick)}" class="y">${short(tick)}</text>`,
    ),
    ...x.ticks.map((tick) => `<text x="${px(tick)}" y="${base + 16}" class="x">${short(tick)}</text>`),
    `<polyline class="line" points="${points.map(({ n, value }) => `${px(n)},${py(value)}`).join(' ')}"/>`,
    ...points.map(({ n, value }) => `<circle cx="${px(n)}" cy="${py(value)}" r="3"/>`),
    '</g>',
  ];
  return lines.join('\n');
}

const rows: Row[] = [];
let text = '';
for await (const piece of process.stdin) text += piece;
for (const line of text.split('\n')) if (line.startsWith('{')) rows.push(JSON.parse(line) as Row);
const all = seriesOf(rows);
const height = Math.ceil(all.length / COLUMNS) * HEIGHT;
console.log(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${COLUMNS * WIDTH} ${height}" font-family="sans-serif" font-size="11">
<title>How the costs of the chat server grow</title>
<style>
  svg { background: #fff; color: #222 }
  text { fill: #444 } .title { font-size: 13px; fill: #111 } .y { text-anchor: end; dominant-baseline: middle } .x { text-anchor: middle }
  .grid { stroke: #ddd; fill: none } .line { stroke: #1b6ac9; stroke-width: 2; fill: none } circle { fill: #1b6ac9 }
</style>
<rect width="100%" height="100%" fill="#fff"/>
${all.map(chart).join('\n')}
</svg>`);
