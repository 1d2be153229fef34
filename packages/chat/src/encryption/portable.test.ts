/** The encryption runs in a browser too: nothing of Node's is in its source, and what it needs of the machine is handed in. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';

const root = new URL('../', import.meta.url);
const files = [
  'bytes.ts',
  'crypto.ts',
  ...globSync('encryption/*.ts', { cwd: root.pathname, exclude: ['**/*.test.ts', '**/*.cases.ts'] }),
];

describe('the source of the encryption', () => {
  it('is found', () => assert.ok(files.includes('encryption/transcript.ts'), `${files}`));

  for (const file of files) {
    it(`names nothing of Node’s in ${file}`, () => {
      const source = readFileSync(new URL(file, root), 'utf8').replaceAll(/^\s*(?:\/?\*|\/\/).*$/gm, '');
      const found = /'node:\w+'|\bBuffer\b|\bprocess\b|\bsetImmediate\b|\bMath\.random\b|\bDate\b/.exec(
        source,
      );
      assert.equal(found?.[0], undefined);
    });
  }
});
