/** The client core runs where there is no Node, and its modules form no circle. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const client = dirname(fileURLToPath(import.meta.url));
const source = dirname(client);
/** Packages that run anywhere. */
const portable = ['cborg', 'unhomoglyph', 'valibot'];
/** Modules of other packages of this repository, which are walked like the core's own. */
const neighbours: Record<string, string> = {
  '@skytale/cryptodev/crypto-error': join(source, '../../cryptodev/src/crypto-error.ts'),
};
const statement = /^(?:import|export)\s+(type\s)?(?:[^;'"]*?\sfrom\s)?['"]([^'"]+)['"]/gm;
const dynamic = /\bimport\(\s*['"]([^'"]+)['"]/g;
/** What only Node has, and what is to be handed in. */
const forbidden =
  /(?<![.\w'"`#])(?:process|Buffer|__dirname|require|setTimeout|setInterval|setImmediate|clearTimeout|clearImmediate|performance|crypto\.(?:subtle|getRandomValues|randomUUID))(?=[.(\s])|Math\.random|Date\.now|AbortSignal\.timeout/;

type Import = { readonly from: string; readonly to: string; readonly isType: boolean };

function importsOf(file: string): Import[] {
  const text = readFileSync(file, 'utf8');
  const found = Array.from(text.matchAll(statement), ([, type, name]) => ({
    name: name!,
    isType: type !== undefined,
  }));
  found.push(...Array.from(text.matchAll(dynamic), ([, name]) => ({ name: name!, isType: false })));
  return found.map(({ name, isType }) => ({
    from: file,
    to: name.startsWith('.') ? join(dirname(file), name) : (neighbours[name] ?? name),
    isType,
  }));
}

/** All that a module reaches, of its own package. */
function reach(entry: string, withTypes: boolean): { files: Set<string>; imports: Import[] } {
  const files = new Set([entry]);
  const imports: Import[] = [];
  for (const file of files) {
    for (const found of importsOf(file)) {
      if (found.isType && !withTypes) continue;
      imports.push(found);
      if (found.to.startsWith('/')) files.add(found.to);
    }
  }
  return { files, imports };
}

/** Without comments and texts. */
function codeOf(file: string): string {
  return readFileSync(file, 'utf8')
    .replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, '')
    .replaceAll(/'(?:[^'\\\n]|\\.)*'/g, "''");
}

describe('the client core', () => {
  const { files, imports } = reach(join(client, 'index.ts'), false);

  it('reaches nothing of Node, and no package that needs it', () => {
    const foreign = imports.filter(({ to }) => !to.startsWith('/'));
    assert.deepEqual(
      foreign
        .filter(({ to }) => isBuiltin(to) || !portable.includes(to))
        .map(({ from, to }) => `${relative(source, from)}: ${to}`),
      [],
    );
    const own = Array.from(files, (file) => relative(source, file));
    assert.deepEqual(
      own.filter((file) => /(^|\/)node|server\/|log\/|testing\//.test(file)),
      [],
    );
    assert.ok(
      own.includes('client/uplink.ts') && own.includes('encryption/shared-key-cipher.ts'),
      'the walk is empty',
    );
  });

  it('names nothing that only Node has, nor time, timers or randomness of its own', () => {
    const own = Array.from(files).filter((file) => !file.endsWith('/clock.ts'));
    const names = own.flatMap((file) => {
      const found = forbidden.exec(codeOf(file));
      return found === null ? [] : [`${relative(source, file)}: ${found[0]}`];
    });
    assert.deepEqual(names, []);
    assert.match(codeOf(join(client, 'node', 'node-client.ts')), forbidden);
  });

  it('has no circle of imports, those of types included', () => {
    const modules = readdirSync(client, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !file.includes('test'))
      .map((file) => join(client, file));
    const done = new Set<string>();
    const visit = (file: string, path: readonly string[]): void => {
      const at = path.indexOf(file);
      assert.equal(
        at,
        -1,
        `a circle: ${[...path.slice(at), file].map((one) => relative(source, one)).join(' → ')}`,
      );
      if (done.has(file)) return;
      for (const { to } of importsOf(file)) if (to.startsWith('/')) visit(to, [...path, file]);
      done.add(file);
    };
    for (const file of modules) visit(file, []);
    assert.ok(done.size > 40);
  });
});
