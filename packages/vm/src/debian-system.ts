/**
 * A Debian system as it is installed, with dpkg's own state and what the packages' scripts have set up, in which more
 * packages can be installed: made by mmdebstrap, once, into the cache. A guest that boots from it leaves it as it is.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { cached } from './cache.ts';
import type { DebianSuite } from './debian-apt.ts';
import { debianMirror } from './debian-mirror.ts';
import type { Progress } from './debian-packages.ts';
import { installedKernel, type Kernel } from './kernel.ts';
import { runProgram } from './run-program.ts';
import { VmError } from './vm-error.ts';

export interface DebianSystem {
  /** The directory that is its root. */
  readonly tree: string;
  readonly kernel: Kernel;
}

/** What installing a module by DKMS needs in a system, and signing it, and having udev load it. */
const packages = ['linux-image-amd64', 'linux-headers-amd64', 'dkms', 'openssl', 'udev', 'adduser'];

/** Of packages, what nothing in a guest reads. */
const unwanted = ['/usr/share/doc/*', '/usr/share/man/*', '/usr/share/locale/*', '/usr/share/info/*'];

/**
 * The smallest system with a kernel, its headers, DKMS and udev. Needs root, for its files have their owners; rejects
 * with `unsupported` without, or as `debianTree` does.
 */
export async function dkmsSystem(suite: DebianSuite, onProgress?: Progress): Promise<DebianSystem> {
  if (process.getuid?.() !== 0)
    throw new VmError('unsupported', 'only root can install a Debian system of its own');
  const tree = await cached(`debian-system/${suite}-dkms`, async (directory) => {
    onProgress?.(`Installing a Debian system (${suite}): ${packages.join(' ')}`);
    const { uri, keyring } = debianMirror();
    const options = [
      ...['--mode=root', '--format=directory', '--variant=apt', `--include=${packages.join(',')}`],
      ...unwanted.map((path) => `--dpkgopt=path-exclude=${path}`),
    ];
    const source = `deb [signed-by=${keyring}] ${uri} ${suite} main`;
    // Guests boot without an initramfs of Debian's, which would take long to make.
    const env = { ...process.env, INITRD: 'No' };
    await runProgram('mmdebstrap', [...options, suite, directory, source], { env });
  });
  return { tree, kernel: await installedKernel(tree, { suite, architecture: 'amd64', flavour: 'amd64' }) };
}

/** Over the system a file system that takes what is written: the system itself must stay as it is for the next. */
const enterSystem = `set -e
tree=$1 directory=$2 scratch=$3; shift 3
mount -t tmpfs scratch "$scratch"
cd "$scratch"
mkdir files work root
tar --extract --directory files
mount -t overlay -o "lowerdir=$tree,upperdir=files,workdir=work" overlay root
mount --rbind /dev root/dev
mount --rbind /proc root/proc
mount -t tmpfs tmp root/tmp
mount --bind "$directory" root/mnt
chroot root /usr/bin/env -i -C /mnt PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 "$@" >&2
exec tar --create --directory files .`;

/** Of no files */
const emptyArchive = Buffer.alloc(10_240);

/**
 * Runs a program of the system in it, before it is booted: as root, with `directory` as its current one. Resolves with
 * the files that it wrote, as a tar archive; what it removed is not among them. `changes` are what an earlier call
 * resolved with, on which to go on. Rejects with `command-failed`.
 */
export async function changesTo(
  { tree }: DebianSystem,
  directory: string,
  command: readonly string[],
  changes: Uint8Array = emptyArchive,
): Promise<Buffer> {
  const scratch = await mkdtemp(join(tmpdir(), 'skytale-system-'));
  try {
    const args = ['--mount', 'sh', '-c', enterSystem, 'sh', tree, resolve(directory), scratch, ...command];
    return await runProgram('unshare', args, { input: changes, failure: 'command-failed' });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
