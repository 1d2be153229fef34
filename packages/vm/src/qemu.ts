/** Which QEMU to run: the host's own, or one out of Debian's packages in the cache. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { debianTree, type Progress } from './debian-packages.ts';
import { missingProgram } from './run-program.ts';
import { VmError } from './vm-error.ts';

export interface Qemu {
  readonly version: string;
  readonly major: number;
  /** The program and the arguments that must stand before all others. */
  readonly command: readonly string[];
  /** What to add to the environment. */
  readonly env: Readonly<Record<string, string>>;
}

/** Debian's releases that have a QEMU of this major version. */
const suites = { 7: 'bookworm', 11: 'trixie-backports' } as const;

export type DebianQemuMajor = keyof typeof suites;

const library = 'lib/x86_64-linux-gnu';

/** The `qemu-system-x86_64` on the path, if there is one. */
export function hostQemu(): Promise<Qemu | undefined> {
  return probe(['qemu-system-x86_64'], {}).catch(() => undefined);
}

/**
 * QEMU of this major version from Debian's packages, fetched at the first use. It runs on any Linux, whatever the
 * host's C library, because it brings its own and that library's program loader.
 */
export function debianQemu(major: DebianQemuMajor, onProgress?: Progress): Promise<Qemu> {
  return fromPackage('qemu-system-x86', 'qemu-system-x86_64', major, onProgress);
}

/** QEMU 11 for guests of 64-bit ARM, which it emulates, from Debian's packages as `debianQemu` */
export function armQemu(onProgress?: Progress): Promise<Qemu> {
  return fromPackage('qemu-system-arm', 'qemu-system-aarch64', 11, onProgress);
}

async function fromPackage(
  name: string,
  program: string,
  major: DebianQemuMajor,
  onProgress?: Progress,
): Promise<Qemu> {
  const tree = await debianTree({
    suite: suites[major],
    architecture: 'amd64',
    packages: [name],
    onProgress,
  });
  const libraries = [join(tree, 'usr', library), join(tree, library)].filter(existsSync);
  const loader = libraries.map((path) => join(path, 'ld-linux-x86-64.so.2')).find(existsSync);
  if (loader === undefined) throw new VmError('not-found', `no program loader in ${tree}`);
  const data = ['qemu', 'seabios'].flatMap((name) => ['-L', join(tree, 'usr/share', name)]);
  return probe([loader, '--library-path', libraries.join(':'), join(tree, 'usr/bin', program), ...data], {
    QEMU_MODULE_DIR: join(tree, 'usr', library, 'qemu'),
  });
}

/**
 * The host's QEMU if its major version is `major` (any, if that is not given), else Debian's of that version, 11
 * if not given. Rejects as `debianTree` does.
 */
export async function findQemu(major?: DebianQemuMajor, onProgress?: Progress): Promise<Qemu> {
  const own = await hostQemu();
  if (own !== undefined && (major === undefined || own.major === major)) return own;
  return debianQemu(major ?? 11, onProgress);
}

async function probe(command: readonly string[], env: Record<string, string>): Promise<Qemu> {
  const [program, ...args] = command;
  const { stdout } = await promisify(execFile)(program!, [...args, '--version']).catch((error) => {
    throw error.code === 'ENOENT' ? missingProgram(program!) : error;
  });
  const version = /version (\d+)\.[\d.]+/.exec(stdout);
  if (version === null)
    throw new VmError('not-found', `${program} does not tell its version: ${stdout.slice(0, 80)}`);
  return { version: version[0].slice('version '.length), major: Number(version[1]), command, env };
}
