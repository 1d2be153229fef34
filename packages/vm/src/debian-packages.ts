/**
 * Trees of Debian packages of any release and architecture, downloaded with the host's apt into the cache and
 * unpacked there. Nothing is installed, no root is needed: apt is given a state of its own, in which no package
 * is installed, so that it resolves every dependency; signatures are checked as for the host's own packages.
 */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cached } from './cache.ts';
import { type DebianMirror, debianMirror } from './debian-mirror.ts';
import { runProgram } from './run-program.ts';
import { VmError } from './vm-error.ts';

export type DebianSuite = 'bookworm' | 'trixie' | 'trixie-backports';
export type DebianArchitecture = 'amd64' | 'i386' | 'arm64';

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
    const root = await mkdtemp(join(tmpdir(), 'skytale-apt-'));
    try {
      for (const archive of await download(root, request))
        await runProgram('dpkg-deb', ['--extract', archive, tree]);
    } finally {
      await rm(root, { recursive: true, force: true });
    }
    await request.finish?.(tree, final);
  });
}

/** Downloads the packages wanted and returns their files, in an apt state of their own below `root`. */
async function download(root: string, request: TreeRequest): Promise<string[]> {
  const archives = join(root, 'archives');
  await mkdir(join(archives, 'partial'), { recursive: true });
  await mkdir(join(root, 'lists', 'partial'), { recursive: true });
  await writeFile(join(root, 'status'), '');
  await writeFile(join(root, 'sources.list'), sourcesList(request.suite, debianMirror()));
  await writeFile(join(root, 'apt.conf'), aptConfiguration(root, request.architecture));
  const apt = (...args: string[]) =>
    runProgram('apt-get', ['-qq', '-c', join(root, 'apt.conf'), '-t', request.suite, ...args], {
      cwd: archives,
    });
  await apt('update');
  const uris = await apt('install', '-y', '--print-uris', ...request.packages);
  const wanted = packagesIn(uris.toString()).filter(({ name }) => request.only?.test(name) ?? true);
  if (wanted.length === 0)
    throw new VmError('not-found', `${request.packages.join(' ')} has no package ${request.only?.source}`);
  await apt('download', ...wanted.map(({ name, version }) => `${name}=${version}`));
  const files = (await readdir(archives)).filter((name) => name.endsWith('.deb'));
  return files.sort().map((name) => join(archives, name));
}

/** The packages in what `apt-get --print-uris` says: `'URI' NAME_VERSION_ARCHITECTURE.deb SIZE HASH`. */
export function packagesIn(uris: string): { name: string; version: string }[] {
  return [...uris.matchAll(/^'[^']*' ([^\s_]+)_([^\s_]+)_[^\s_]+\.deb /gm)].map((match) => ({
    name: match[1]!,
    version: decodeURIComponent(match[2]!),
  }));
}

function sourcesList(suite: DebianSuite, { uri, keyring }: DebianMirror): string {
  const base = suite.replace(/-backports$/, '');
  const suites = base === suite ? [base] : [base, suite];
  return suites.map((name) => `deb [signed-by=${keyring}] ${uri} ${name} main\n`).join('');
}

/** The host's own configuration stays in force for proxies and the like; its hooks do not. */
function aptConfiguration(root: string, architecture: DebianArchitecture): string {
  return `
#clear APT::Update;
#clear DPkg;
#clear APT::Architectures;
Dir::State "${root}";
Dir::State::lists "lists";
Dir::State::status "${root}/status";
Dir::State::extended_states "${root}/extended_states";
Dir::Cache "${root}";
Dir::Cache::archives "archives";
Dir::Etc::sourcelist "${root}/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::preferences "-";
Dir::Etc::preferencesparts "-";
APT::Update::Error-Mode "any";
APT::Architecture "${architecture}";
APT::Architectures { "${architecture}"; };
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
`;
}
