/** The first file system of a guest: busybox, modules, and the script that the kernel starts. */
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { busybox } from './busybox.ts';
import { cached } from './cache.ts';
import { type CpioEntry, cpioArchive } from './cpio.ts';
import type { Progress } from './debian-packages.ts';
import type { Kernel } from './kernel.ts';
import { readModules } from './modules.ts';
import { runProgram } from './run-program.ts';

export interface InitramfsOptions {
  readonly kernel: Kernel;
  /** Modules to have in `/modules`, with all that they need; `/modules/order` lists their files in load order. */
  readonly modules: readonly string[];
  /** The script `/init`, which the kernel starts; its first line is `#!/bin/busybox sh`. */
  readonly init: string;
  /** More files, by path without a leading slash. */
  readonly files?: Readonly<Record<string, { content: Uint8Array | string; mode?: number }>>;
  readonly onProgress?: Progress | undefined;
}

/** A gzip-compressed initramfs. The same options make the same bytes. */
export async function buildInitramfs(options: InitramfsOptions): Promise<Buffer> {
  const program = await busybox(options.kernel.source.architecture, options.onProgress);
  const applets = (await runProgram(await busybox('amd64'), ['--list'])).toString().trim().split('\n');
  const modules = await readModules(options.kernel, options.modules);
  const files = new Map<string, CpioEntry>();
  const addFile = (path: string, content: Uint8Array | string, mode = 0o644) => {
    files.set(path, { path, type: 'file', mode, content });
  };
  addFile('bin/busybox', await readFile(program), 0o755);
  for (const applet of applets)
    if (applet !== 'busybox')
      files.set(`bin/${applet}`, { path: `bin/${applet}`, type: 'symlink', mode: 0o777, content: 'busybox' });
  for (const { name, content } of modules) addFile(`modules/${name}.ko`, content);
  addFile('modules/order', modules.map(({ name }) => `${name}.ko\n`).join(''));
  addFile('init', options.init, 0o755);
  for (const [path, { content, mode }] of Object.entries(options.files ?? {})) addFile(path, content, mode);
  const mountPoints = ['dev', 'proc', 'sys', 'run', 'tmp'];
  const directories = directoriesOf([...mountPoints.map((path) => `${path}/`), ...files.keys()]);
  return gzipSync(cpioArchive([...directories, ...files.values()]), { level: 6 });
}

/** The directories above these paths, outer ones first. */
function directoriesOf(paths: Iterable<string>): CpioEntry[] {
  const directories = new Set<string>();
  for (const path of paths)
    for (let end = path.indexOf('/'); end !== -1; end = path.indexOf('/', end + 1))
      directories.add(path.slice(0, end));
  return [...directories].sort().map((path) => ({ path, type: 'directory', mode: 0o755 }));
}

/** Puts an initramfs into the cache, under a name made of its content, and returns its path. */
export function storeInitramfs(content: Uint8Array): Promise<string> {
  const digest = createHash('sha256').update(content).digest('hex');
  return cached(`initramfs/${digest.slice(0, 32)}.gz`, (temporary) => writeFile(temporary, content));
}
