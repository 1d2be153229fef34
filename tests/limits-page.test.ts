/** docs/limits.md lists every limit that there is, and no limit is without a name. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { describe, it } from 'node:test';
import { WebSocketServer } from 'ws';
import { constantsIn, limitsPage, readSource, renewed, sourceFiles } from '../scripts/limits-page.ts';

const page = readFileSync(limitsPage, 'utf8');

/** Numbers of other people's: milliseconds of a second, ports, digits, what 32 bits can count. */
const known = new Set(['2 ** 32', '1000', '65535', '65_535', '100_000']);
/** Where numbers are named by what they are the value of; both are on the page. */
const tables = ['server/setting-table.ts', 'client/client-tuning.ts'];
const bigNumber = /(?<![\w.#$]|\\u\{)(\d[\d_]{3,}|\d+ \* \d[\d_]*( \* \d[\d_]*)*|\d+ \*\* \d+)(?![\w.])/g;
const boundWithoutName =
  /\b(?:max[A-Z]\w*|most[A-Z]\w*|\w+(?:Timeout|Limit|HighWaterMark|Interval)|highWaterMark|backlog)\b(?::| =) (?!0\b)\d/;

/** The lines of a source that are code, without what they say in strings; not those that declare a constant. */
function codeOf(source: string): string[] {
  return source
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ''))
    .split('\n')
    .filter((line) => !/^(export )?const [A-Z]\w*(: number)? = /.test(line))
    .map((line) => line.replace(/\/\/.*$/, '').replace(/'[^']*'|"[^"]*"|`[^`]*`/g, "''"));
}

/** A product or power that is less than what is looked for. */
function isSmall(expression: string): boolean {
  const [it] = constantsIn(`const it = ${expression};`);
  return it !== undefined && it.value < 1000;
}

function numbersWithoutName(source: string): string[] {
  return codeOf(source).flatMap((line) => {
    const big = (line.match(bigNumber) ?? []).filter((number) => !known.has(number) && !isSmall(number));
    return big.length > 0 || boundWithoutName.test(line) ? [line.trim()] : [];
  });
}

describe('docs/limits.md', () => {
  it('has every setting and every number of the source, with its value (node scripts/limits-page.ts)', () => {
    assert.equal(renewed(page), page);
  });

  it('says of each number what it is', () => {
    const empty = page.split('\n').filter((line) => /^\|.*\| *\| *$/.test(line) && !line.includes('---'));
    assert.deepEqual(empty, []);
  });

  it('would miss a number that is added', () => {
    const source =
      '/** What it bounds,\n * in bytes. */\nexport const MAX_NEW_BYTES = 5 * KIB;\nconst mostNew: number = 7;\n';
    assert.deepEqual(constantsIn(source, new Map([['KIB', 1024]])), [
      { name: 'MAX_NEW_BYTES', value: 5120, comment: 'What it bounds, in bytes.' },
      { name: 'mostNew', value: 7, comment: 'What it bounds, in bytes.' },
    ]);
    const without = page.replace(/^\| `MAX_REFUSALS` .*\n/m, '');
    assert.notEqual(without, page);
    assert.equal(renewed(without), page);
    for (const line of ['  timeout = 10_000,', '  #most = 64 * 1024;', '  maxFragments: 9,', 'f(2 ** 20)']) {
      assert.equal(numbersWithoutName(line).length, 1, line);
    }
    for (const line of ["  say('of 10_000');", '  /** 4096 */', 'const MAX_NEW = 4096;', 'at < 4']) {
      assert.deepEqual(numbersWithoutName(line), [], line);
    }
  });

  it('can have every number, because each that bounds something has a name', () => {
    const found = sourceFiles('packages/chat/src/**/*.ts')
      .filter((file) => !tables.some((table) => file.endsWith(table)))
      .flatMap((file) => numbersWithoutName(readSource(file)).map((line) => `${file}: ${line}`));
    assert.deepEqual(found, []);
  });

  it('names no number that is gone', () => {
    const names = new Set(
      sourceFiles('packages/*/src/**/*.ts').flatMap((file) =>
        [...readSource(file).matchAll(/\bconst (\w+)/g)].map(([, name]) => name!),
      ),
    );
    const named = [...page.matchAll(/`([A-Z][A-Z_]+)`/g)]
      .map(([, name]) => name!)
      .filter((name) => !name.startsWith('SKYTALE_'));
    assert.deepEqual(
      named.filter((name) => !names.has(name)),
      [],
    );
  });

  it('has every limit that libraries have, and the source gives each', () => {
    const isLimit = /^max|timeout|interval|limit|backlog/i;
    const webSocket = Object.keys(new WebSocketServer({ noServer: true }).options).filter((name) =>
      isLimit.test(name),
    );
    const http = Object.entries(createHttpServer())
      .filter(
        ([name, value]) => isLimit.test(name) && typeof value !== 'object' && typeof value !== 'function',
      )
      .map(([name]) => name);
    assert(webSocket.length >= 5 && http.length >= 6);
    // It does not listen itself.
    const given = webSocket.filter((name) => name !== 'backlog');
    for (const [names, file] of [
      [given, 'packages/chat/src/server/web-socket.ts'],
      [http, 'packages/chat/src/server/web-layer.ts'],
    ] as const) {
      for (const name of names) {
        assert(page.includes(`\`${name}\``), `${name} is not on the page`);
        assert(readSource(file).includes(name), `${file} does not give ${name}`);
      }
    }
  });
});
