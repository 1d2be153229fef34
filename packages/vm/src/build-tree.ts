/**
 * Where kernel modules are built: a tree of Debian packages with a kernel's headers, the compiler that they name,
 * and the tools of kbuild. The headers refer to each other by absolute paths, and their programs need the C library
 * of their own release, so make runs with the tree as its root directory, in a mount namespace of its own: nothing
 * is installed, and nothing of it is seen outside.
 */
import { existsSync } from 'node:fs';
import { mkdir, symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { debianTree, type Progress } from './debian-packages.ts';
import type { Kernel } from './kernel.ts';
import { runProgram } from './run-program.ts';

/** What kbuild calls, beside the compiler on which the headers depend. */
const tools = ['make', 'binutils', 'dash', 'bash', 'coreutils', 'findutils', 'grep', 'sed', 'mawk', 'perl'];

/**
 * The tree in which modules for this kernel can be built; `extraPackages` are added to it, such as `sparse` or
 * `libc6-dev`. Rejects as `debianTree` does: also with `fetch-failed` if the mirror has newer kernels only, and
 * then removing the cache gets these.
 */
export async function buildTree(
  kernel: Kernel,
  extraPackages: readonly string[] = [],
  onProgress?: Progress,
): Promise<string> {
  const { suite, architecture } = kernel.source;
  const headers = `linux-headers-${kernel.release}`;
  // Programs are amd64's, also for other kernels: their headers are laid beside those of its own.
  const own = architecture === 'amd64';
  const packages = [own ? headers : 'linux-headers-amd64', ...tools, ...extraPackages];
  if (architecture === 'arm64') packages.push('gcc-aarch64-linux-gnu');
  const finish = async (tree: string) => {
    await completeRoot(tree);
    if (own) return;
    const other = await debianTree({
      suite,
      architecture,
      packages: [headers],
      only: /^linux-headers-/,
      onProgress,
    });
    await runProgram('cp', ['--archive', join(other, 'usr/src'), join(tree, 'usr')]);
  };
  const name = own ? {} : { purpose: headers };
  return debianTree({ suite, architecture: 'amd64', packages, finish, onProgress, ...name });
}

/** What Debian's installation scripts would do, as far as it is needed here. */
async function completeRoot(tree: string): Promise<void> {
  for (const directory of ['bin', 'sbin', 'lib', 'lib64'])
    if (!existsSync(join(tree, directory))) await symlink(`usr/${directory}`, join(tree, directory));
  if (!existsSync(join(tree, 'usr/bin/awk'))) await symlink('mawk', join(tree, 'usr/bin/awk'));
  for (const directory of ['dev', 'proc', 'tmp', 'mnt'])
    await mkdir(join(tree, directory), { recursive: true, mode: 0o755 });
}

/** Where a program run in a tree finds the directory that it works on. */
const workDirectory = '/mnt';

const enterTree = `set -e
tree=$1 directory=$2; shift 2
mount --rbind /dev "$tree/dev"
mount --rbind /proc "$tree/proc"
mount -t tmpfs tmp "$tree/tmp"
mount --bind "$directory" "$tree${workDirectory}"
cd /
exec chroot "$tree" /usr/bin/env -i -C ${workDirectory} PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 "$@"`;

/**
 * Runs a program of a tree of `buildTree` on `directory`, which is its current directory, `/mnt`, and may be
 * written to. Returns its standard output; rejects with `command-failed` and the end of what it said on standard
 * error. Needs root, or a host that lets users make namespaces.
 */
export async function runInTree(
  tree: string,
  directory: string,
  command: readonly string[],
): Promise<string> {
  const root = process.getuid?.() === 0 ? [] : ['--map-root-user'];
  const args = ['--mount', ...root, 'sh', '-c', enterTree, 'sh', tree, resolve(directory), ...command];
  return (await runProgram('unshare', args, { failure: 'command-failed' })).toString();
}

/** What make must be told besides where a kernel's headers are */
export const crossCompile = ({ source }: Kernel): readonly string[] =>
  source.architecture === 'arm64' ? ['CROSS_COMPILE=aarch64-linux-gnu-'] : [];

/** Builds the modules of a Kbuild or Makefile in `directory`, in place; `make` are further arguments for make,
 *  such as `W=1`. Returns what make said on standard output. */
export async function buildModules(
  kernel: Kernel,
  directory: string,
  options: {
    readonly make?: readonly string[];
    readonly extraPackages?: readonly string[];
    readonly onProgress?: Progress;
  } = {},
): Promise<string> {
  const tree = await buildTree(kernel, options.extraPackages, options.onProgress);
  const headers = `/usr/src/linux-headers-${kernel.release}`;
  const make = ['make', ...crossCompile(kernel), '-C', headers, `M=${workDirectory}`];
  make.push(...(options.make ?? ['modules']));
  return runInTree(tree, directory, make);
}

/** What a tree needs for building programs of both word sizes, beside what modules need. */
export const programPackages: readonly string[] = ['gcc-multilib'];

/** The same for 64-bit ARM */
export const armProgramPackages: readonly string[] = ['libc6-dev-arm64-cross'];

export interface ProgramOptions {
  /** One C file, and what is built of it: paths in the directory. */
  readonly source: string;
  readonly program: string;
  /** Further arguments for the compiler, such as `-I include`. */
  readonly flags?: readonly string[];
}

/**
 * Builds a program that needs no library where it runs, in `directory`; warnings are errors. Its word size is the
 * kernel's unless `-m32` is among the flags. Rejects as `runInTree` does.
 */
export async function buildProgram(
  kernel: Kernel,
  directory: string,
  { source, program, flags = [] }: ProgramOptions,
): Promise<void> {
  const arm = kernel.source.architecture === 'arm64';
  const tree = await buildTree(kernel, arm ? armProgramPackages : programPackages);
  const wordSize = kernel.source.architecture === 'i386' ? ['-m32'] : [];
  const warnings = ['-Wall', '-Wextra', '-Wno-missing-field-initializers', '-Werror'];
  const prefix = arm ? 'aarch64-linux-gnu-' : '';
  const compiler = ['sh', '-c', `exec "$(ls /usr/bin/${prefix}gcc-[0-9]* | head -1)" "$@"`, 'gcc'];
  const options = ['-static', '-s', '-O2', ...warnings, ...wordSize, ...flags];
  await runInTree(tree, directory, [...compiler, ...options, '-o', program, source]);
}
