/** Guest kernels: Debian's, out of its packages. */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { busybox } from './busybox.ts';
import type { DebianArchitecture, DebianSuite } from './debian-apt.ts';
import { debianTree, type Progress } from './debian-packages.ts';
import { runProgram } from './run-program.ts';
import { VmError } from './vm-error.ts';

export interface KernelSource {
  readonly suite: DebianSuite;
  readonly architecture: DebianArchitecture;
  /** The last part of the name of Debian's package. */
  readonly flavour: 'amd64' | '686' | 'arm64';
}

/** The kernels that guests run, by the name to ask for them. */
export const kernelSources = {
  /** Linux 6.1, of Debian 12 */
  '6.1': { suite: 'bookworm', architecture: 'amd64', flavour: 'amd64' },
  /** Linux 6.12, of Debian 13 */
  '6.12': { suite: 'trixie', architecture: 'amd64', flavour: 'amd64' },
  /** the newest that Debian 13's backports have */
  newest: { suite: 'trixie-backports', architecture: 'amd64', flavour: 'amd64' },
  /** Linux 6.1 for 32-bit PCs without PAE, which emulators of such PCs want */
  '6.1-686': { suite: 'bookworm', architecture: 'i386', flavour: '686' },
  /** Linux 6.1 for 64-bit ARM, which QEMU emulates */
  '6.1-arm64': { suite: 'bookworm', architecture: 'arm64', flavour: 'arm64' },
} as const satisfies Record<string, KernelSource>;

export type KernelName = keyof typeof kernelSources;

export interface Kernel {
  readonly source: KernelSource;
  /** As `uname -r` says it. */
  readonly release: string;
  /** The file of the compressed image, for a boot loader or QEMU's `-kernel`. */
  readonly image: string;
  /** The directory that is `/lib/modules/RELEASE` in the guest, modules.dep included. */
  readonly modules: string;
}

/** A kernel of Debian's, fetched at the first use. */
export async function debianKernel(name: KernelName, onProgress?: Progress): Promise<Kernel> {
  const source = kernelSources[name];
  const tree = await debianTree({
    suite: source.suite,
    architecture: source.architecture,
    packages: [`linux-image-${source.flavour}`],
    only: /^linux-(image|base|binary|modules)-\d/,
    finish: (directory) => writeModulesDep(directory, onProgress),
    onProgress,
  });
  return installedKernel(tree, source);
}

/** The directory below `tree` that holds modules, and the kernel's release, which is its name. */
async function modulesIn(tree: string): Promise<{ base: string; release: string }> {
  for (const base of [tree, join(tree, 'usr')]) {
    if (!existsSync(join(base, 'lib/modules'))) continue;
    const [release] = await readdir(join(base, 'lib/modules'));
    if (release !== undefined) return { base, release };
  }
  throw new VmError('not-found', `no kernel modules in ${tree}`);
}

/** The kernel that is installed in a tree, with the modules of one kernel only. */
export async function installedKernel(tree: string, source: KernelSource): Promise<Kernel> {
  const { base, release } = await modulesIn(tree);
  const modules = join(base, 'lib/modules', release);
  const image = [join(tree, 'boot', `vmlinuz-${release}`), join(modules, 'vmlinuz')].find(existsSync);
  if (image === undefined) throw new VmError('not-found', `no image of kernel ${release} in ${tree}`);
  return { source, release, image, modules };
}

/** Writes what Debian's package scripts would: which module needs which. */
async function writeModulesDep(tree: string, onProgress?: Progress): Promise<void> {
  const { base, release } = await modulesIn(tree);
  onProgress?.(`Listing the modules of Linux ${release}`);
  await runProgram(await busybox('amd64', onProgress), ['depmod', '-b', base, release]);
}
