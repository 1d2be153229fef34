/** Kernel modules by name: which files to load, in which order. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { busybox } from './busybox.ts';
import type { Kernel } from './kernel.ts';
import { runProgram } from './run-program.ts';
import { VmError } from './vm-error.ts';

export interface LoadableModule {
  readonly name: string;
  /** Relative to the kernel's directory of modules. */
  readonly path: string;
}

/** Module names are compared as the kernel does: `-` and `_` are one. */
const moduleName = (path: string) =>
  path
    .replace(/^.*\//, '')
    .replace(/\.ko(\.\w+)?$/, '')
    .replaceAll('-', '_');

/**
 * The modules to load, one after the other, so that every one of `names` is there: each once, after all that it
 * needs. `modulesDep` is modules.dep(5), `builtin` is modules.builtin; what is built in needs no loading.
 */
export function loadOrder(modulesDep: string, builtin: string, names: readonly string[]): LoadableModule[] {
  const builtins = new Set(builtin.split('\n').map(moduleName));
  const entries = new Map<string, { path: string; needs: string[] }>();
  for (const line of modulesDep.split('\n')) {
    const [path, needs] = line.split(':');
    if (path) entries.set(moduleName(path), { path, needs: (needs ?? '').split(' ').filter(Boolean) });
  }
  const order = new Map<string, LoadableModule>();
  const visited = new Set<string>(); // and what is under way: a circle in the file ends here
  const visit = (wanted: string) => {
    const name = moduleName(wanted);
    if (visited.has(name) || builtins.has(name)) return;
    visited.add(name);
    const entry = entries.get(name);
    if (entry === undefined) throw new VmError('not-found', `this kernel has no module ${wanted}`);
    for (const needed of entry.needs) visit(needed);
    order.set(name, { name, path: entry.path });
  };
  for (const name of names) visit(name);
  return [...order.values()];
}

export interface ModuleFile {
  readonly name: string;
  /** The object file, not compressed. */
  readonly content: Buffer;
}

/** The contents of these modules of a kernel and of all that they need, in the order in which to load them. */
export async function readModules(kernel: Kernel, names: readonly string[]): Promise<ModuleFile[]> {
  const text = (file: string) => readFile(join(kernel.modules, file), 'utf8');
  const order = loadOrder(await text('modules.dep'), await text('modules.builtin'), names);
  return Promise.all(order.map(async ({ name, path }) => ({ name, content: await object(kernel, path) })));
}

async function object(kernel: Kernel, path: string): Promise<Buffer> {
  const content = await readFile(join(kernel.modules, path));
  if (!path.endsWith('.xz')) return content;
  return runProgram(await busybox('amd64'), ['xz', '-dc'], { input: content });
}
