/** Arrows point one way: between packages, and between the files of each. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { circlesIn, fileGraph, importsOf, includeGraph, packageGraph } from '../scripts/import-graph.ts';

const packages = fileURLToPath(new URL('../packages', import.meta.url));

const graphOf = (arrows: Record<string, readonly string[]>) =>
  new Map(Object.entries(arrows).map(([from, to]) => [from, new Set(to)]));

describe('imports', () => {
  it('are read as they are written', () => {
    const source = [
      "import { a } from './a.ts';",
      "import type { B } from './b.ts';",
      "import {\n  c,\n  type C,\n} from './c.ts';",
      "import './d.ts';",
      "export * from './e.ts';",
      "export type { F } from './f.ts';",
      "const load = () => import('./g.ts');",
      "type H = typeof import('./h.ts');",
      "new Worker(new URL('./no.ts', import.meta.url));",
      "/** import { no } from './no.ts'; */",
      "// import './no.ts';",
      "/**\n * import { no } from './no.ts';\n */",
      "const text = 'from';\nexport const other = './no.ts';",
      "export function from(x: string) {\n  return x === './no.ts';\n}",
    ].join('\n');
    const expected = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((name) => `./${name}.ts`);
    assert.deepEqual(importsOf(source).sort(), expected);
  });

  it('are found in circles, each whole and once', () => {
    assert.deepEqual(circlesIn(graphOf({ a: ['b', 'c'], b: ['c'], c: [] })), []);
    assert.deepEqual(circlesIn(graphOf({ a: ['a'], b: ['a'] })), [['a']]);
    assert.deepEqual(
      circlesIn(graphOf({ a: ['b'], b: ['c'], c: ['a', 'd'], d: ['e'], e: ['d'], f: ['a'], g: ['f'] })),
      [
        ['a', 'b', 'c'],
        ['d', 'e'],
      ],
    );
    assert.deepEqual(circlesIn(graphOf({ a: ['b', 'c'], b: ['d'], c: ['d'], d: ['a'] })), [
      ['a', 'b', 'c', 'd'],
    ]);
  });

  it('are there: the graphs are not empty, and lead nowhere that is not', () => {
    for (const name of globSync('*/package.json', { cwd: packages }).map((file) => file.split('/')[0]!)) {
      const graph = fileGraph(join(packages, name));
      assert.ok(graph.size > 0, name);
      for (const [file, imported] of graph) {
        const sources = [...imported].filter((other) => other.endsWith('.ts'));
        for (const other of sources) assert.ok(graph.has(other), `${name}/${file} imports ${other}`);
      }
    }
    assert.ok(packageGraph(packages, '@skytale').get('skytale')!.has('chat'));
  });

  it('of packages point one way', () => {
    assert.deepEqual(circlesIn(packageGraph(packages, '@skytale')), []);
  });

  for (const name of globSync('*/package.json', { cwd: packages }).map((file) => file.split('/')[0]!)) {
    it(`of the files of ${name} point one way`, () => {
      assert.deepEqual(circlesIn(fileGraph(join(packages, name))), []);
    });
  }
});

describe("the guest driver's headers", () => {
  const driver = fileURLToPath(new URL('../guest/driver', import.meta.url));
  const graph = includeGraph(driver);

  it('point one way', () => {
    assert.ok(graph.get('request')?.has('queue'));
    for (const [name, included] of graph)
      for (const other of included) assert.ok(graph.has(other), `${name} includes ${other}.h`);
    assert.deepEqual(circlesIn(graph), []);
  });

  it('declare what is in the source of their name, so that calls point the same way', () => {
    const definition = /^(?!static\b)[a-z][\w *]*?\b(vcd_\w+)\([^;{]*\)\n\{/gm;
    let count = 0;
    for (const file of globSync('*.c', { cwd: driver })) {
      const header = join(driver, file.replace(/c$/, 'h'));
      for (const [, name] of readFileSync(join(driver, file), 'utf8').matchAll(definition)) {
        assert.match(readFileSync(header, 'utf8'), new RegExp(`\\b${name}\\(`), `${name} of ${file}`);
        count += 1;
      }
    }
    assert.ok(count > 40, `${count} functions`);
  });
});
