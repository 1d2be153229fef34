/** The programs of a page: its blocks of TypeScript whose first line is a comment with a name. */
import { readFileSync } from 'node:fs';

/** @returns the text of each, by its name, in the order of the page */
export const programsOf = (page: string): ReadonlyMap<string, string> =>
  new Map(
    [...readFileSync(page, 'utf8').matchAll(/^```ts\n(\/\/ (\S+)\n[\s\S]*?)^```$/gm)].map(
      ([, text, name]) => [name!, text!],
    ),
  );
