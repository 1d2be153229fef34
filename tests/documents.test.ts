/** What the documents name is there. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';

const cwd = fileURLToPath(new URL('..', import.meta.url));

it('names no source file that is gone', () => {
  // Said without the `src` of its package.
  const there = globSync('{bench,guest,packages/*/src,scripts,tests}/**/*.ts', {
    cwd,
  }).map((file) => `/${file.replace('/src/', '/')}`);
  const documents = globSync(['*.md', 'docs/*.md', 'packages/*/*.md'], { cwd });
  const named = documents.flatMap((document) =>
    [...readFileSync(`${cwd}${document}`, 'utf8').matchAll(/`([\w./-]+\.ts)`/g)].map(([, file = '']) => ({
      document,
      file,
    })),
  );
  assert(documents.length > 10 && named.length > 50);
  assert.deepEqual(
    named.filter(
      ({ file }) => !there.some((path) => path.endsWith(`/${file.replace(/^src\/|(?<=\/)src\//, '')}`)),
    ),
    [],
  );
});
