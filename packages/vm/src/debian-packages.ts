/**
 * Trees of Debian packages of any release and architecture, downloaded with the host's apt into the cache and
 * unpacked there. Nothing is installed, and no root is needed.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { cached } from './cache.ts';
import { type Apt, type DebianArchitecture, type DebianSuite, withApt } from './debian-apt.ts';
import { runProgram } from './run-program.ts';
import { VmError } from './vm-error.ts';

/** Called with a line for people to read when something takes long. */
export type Progress = (message: string) => void;

export interface TreeRequest {
  readonly suite: DebianSuite;
  readonly architecture: DebianArchitecture;
  readonly packages: readonly string[];
  /** Which of the packages and of all that they depend on are wanted, by name; without it, all. */
  readonly only?: RegExp;
  /** Tells trees of the same packages apart that are finished differently. */
  readonly purpose?: string;
  /** Finishes the tree before it appears in the cache; `final` is where it will stand. */
  readonly finish?: (tree: string, final: string) => Promise<void>;
  readonly onProgress?: Progress | undefined;
}

/** A name of the request that is the same for the same request, and readable. */
function entryName({ suite, architecture, packages, only, purpose = '' }: TreeRequest): string {
  const digest = createHash('sha256')
    .update([packages.join(' '), only?.source ?? '', purpose].join('\n'))
    .digest('hex');
  return `debian/${packages[0]}-${suite}-${architecture}-${digest.slice(0, 8)}`;
}

/**
 * The directory into which these packages are unpacked. It is fetched once, and then used without a network.
 * Rejects with `missing-program`, `unknown-mirror`, or `fetch-failed` with apt's words.
 */
export function debianTree(request: TreeRequest): Promise<string> {
  return cached(entryName(request), async (tree, final) => {
    request.onProgress?.(`Fetching Debian packages (${request.suite}): ${request.packages.join(' ')}`);
    await mkdir(tree);
    await withApt(request, async (apt) => {
      for (const archive of await download(apt, request))
        await runProgram('dpkg-deb', ['--extract', archive, tree]);
    });
    await request.finish?.(tree, final);
  });
}

/** Downloads the packages wanted and returns their files. */
async function download({ run, directory }: Apt, request: TreeRequest): Promise<string[]> {
  const uris = await run('install', '-y', '--print-uris', ...request.packages);
  const wanted = packagesIn(uris.toString()).filter(({ name }) => request.only?.test(name) ?? true);
  if (wanted.length === 0)
    throw new VmError('not-found', `${request.packages.join(' ')} has no package ${request.only?.source}`);
  await run('download', ...wanted.map(({ name, version }) => `${name}=${version}`));
  const files = (await readdir(directory)).filter((name) => name.endsWith('.deb'));
  return files.sort().map((name) => join(directory, name));
}

/** The packages in what `apt-get --print-uris` says: `'URI' NAME_VERSION_ARCHITECTURE.deb SIZE HASH`. */
export function packagesIn(uris: string): { name: string; version: string }[] {
  return [...uris.matchAll(/^'[^']*' ([^\s_]+)_([^\s_]+)_[^\s_]+\.deb /gm)].map((match) => ({
    name: match[1]!,
    version: decodeURIComponent(match[2]!),
  }));
}
