import assert from 'node:assert/strict';
import { it } from 'node:test';
import { styleText } from 'node:util';
import { table } from './table.ts';

it('a table lines up its columns, colours and wide characters included, and wraps the last one', () => {
  const red = styleText('red', 'b', { validateStream: false });
  assert.equal(
    table([
      ['日本', 'a', 'one'],
      ['x', red, ''],
    ]),
    `  日本  a  one\n  x     ${red}`,
  );
  assert.equal(
    table([['a', 'many words that do not fit at all']], 24),
    '  a  many words that do\n     not fit at all',
  );
});
