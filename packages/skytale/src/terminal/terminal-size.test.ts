import assert from 'node:assert/strict';
import { it } from 'node:test';
import { lineWidth, terminalSize } from './terminal-size.ts';

it('a terminal that does not know its size has 80 × 24 cells', () => {
  assert.deepEqual(terminalSize({ columns: 0, rows: 0 }), { columns: 80, rows: 24 });
  assert.deepEqual(terminalSize({ columns: undefined, rows: undefined }), { columns: 80, rows: 24 });
  assert.deepEqual(terminalSize({ columns: 10, rows: 3 }), { columns: 10, rows: 3 });
});

it('lines are as wide as the terminal, and without limit where there is none', () => {
  assert.equal(lineWidth({ isTTY: true, columns: 0 }), 80);
  assert.equal(lineWidth({ isTTY: true, columns: 100 }), 100);
  assert.equal(lineWidth({}), Number.POSITIVE_INFINITY);
});
