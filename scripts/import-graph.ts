/**
 * Who imports whom, in TypeScript and in C. Types count, and what is loaded later: an arrow is an arrow. It reads
 * TypeScript as Biome lays it out: a statement begins its line and names the module in single quotes.
 */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';

/** Each node, and those that it points at. */
export type Graph = ReadonlyMap<string, ReadonlySet<string>>;

const statements = /^(?:import|export)\b[^;'"`]*?\bfrom '([^']+)'|^import '([^']+)'/gm;
/** As a call, or as a type. A worker's `new URL('…')` is none: it is another program. */
const elsewhere = /\bimport\('([^']+)'\)/g;
const comments = /^\s*(?:\/\*[\s\S]*?\*\/|\/\/.*)$/gm;

/** The modules that a source names, as it names them. */
export function importsOf(source: string): string[] {
  const code = source.replace(comments, '');
  return [...code.matchAll(statements), ...code.matchAll(elsewhere)].map(([, one, other]) => (one ?? other)!);
}

/** The source files of a package, by their paths in it, and the files of the same package that each imports. */
export function fileGraph(directory: string): Graph {
  const files = globSync('src/**/*.ts', { cwd: directory }).sort();
  return new Map(
    files.map((file) => {
      const names = importsOf(readFileSync(join(directory, file), 'utf8'));
      const inside = names
        .filter((name) => name.startsWith('.'))
        .map((name) => normalize(join(dirname(file), name)));
      return [file, new Set(inside)];
    }),
  );
}

/** The modules of a program in C, each a source with the header of its name, and the others whose headers either includes. */
export function includeGraph(directory: string): Graph {
  const graph = new Map<string, Set<string>>();
  for (const file of globSync('*.[ch]', { cwd: directory }).sort()) {
    const name = file.replace(/\.[ch]$/, '');
    const included = graph.get(name) ?? new Set();
    for (const [, header] of readFileSync(join(directory, file), 'utf8').matchAll(/^#include "(\w+)\.h"$/gm))
      if (header !== name) included.add(header!);
    graph.set(name, included);
  }
  return graph;
}

/** The packages of a workspace, by the names of their directories, and the others that each imports. */
export function packageGraph(packages: string, scope: string): Graph {
  return new Map(
    globSync('*/package.json', { cwd: packages })
      .sort()
      .map((manifest) => {
        const name = dirname(manifest);
        const files = globSync('src/**/*.ts', { cwd: join(packages, name) });
        const imported = files.flatMap((file) =>
          importsOf(readFileSync(join(packages, name, file), 'utf8')).map((module) => {
            if (module.startsWith(`${scope}/`)) return module.split('/')[1]!;
            if (!module.startsWith('.')) return name;
            return relative(packages, join(packages, name, dirname(file), module)).split('/')[0]!;
          }),
        );
        return [name, new Set(imported.filter((other) => other !== name))];
      }),
  );
}

/**
 * The circles of a graph: its strongly connected components of more than one node, or of one that points at itself (Tarjan,
 * 1972). Each sorted.
 */
export function circlesIn(graph: Graph): string[][] {
  const circles: string[][] = [];
  const places = new Map<string, number>();
  const path: string[] = [];
  const visit = (node: string): number => {
    const place = places.size;
    places.set(node, place);
    path.push(node);
    let low = place;
    for (const next of graph.get(node) ?? []) {
      if (!places.has(next)) low = Math.min(low, visit(next));
      else if (path.includes(next)) low = Math.min(low, places.get(next)!);
    }
    if (low === place) {
      const component = path.splice(path.indexOf(node));
      if (component.length > 1 || graph.get(node)?.has(node)) circles.push(component.sort());
    }
    return low;
  };
  for (const node of graph.keys()) if (!places.has(node)) visit(node);
  return circles.sort();
}
