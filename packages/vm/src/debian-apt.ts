/**
 * The host's apt with a state of its own, in which no package is installed, so that it resolves every dependency, of
 * any release and architecture. Nothing of the host's own state is touched, and no root is needed; signatures are
 * checked as for the host's own packages.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DebianMirror, debianMirror } from './debian-mirror.ts';
import { runProgram } from './run-program.ts';

export type DebianSuite = 'bookworm' | 'trixie' | 'trixie-backports';
export type DebianArchitecture = 'amd64' | 'i386' | 'arm64';

export interface Apt {
  /** Runs apt-get in `directory`; resolves with what it says on standard output. */
  readonly run: (...args: string[]) => Promise<Buffer>;
  /** Where it puts what it downloads. */
  readonly directory: string;
}

/**
 * Has `work` done with an apt that knows this release's packages, binary and, with `sources`, source ones. Its
 * directory is gone afterwards. Rejects with `missing-program`, `unknown-mirror`, or `fetch-failed` with apt's words.
 */
export async function withApt<T>(
  options: {
    readonly suite: DebianSuite;
    readonly architecture: DebianArchitecture;
    readonly sources?: boolean;
  },
  work: (apt: Apt) => Promise<T>,
): Promise<T> {
  const { suite, architecture, sources = false } = options;
  const root = await mkdtemp(join(tmpdir(), 'skytale-apt-'));
  try {
    const directory = join(root, 'archives');
    await mkdir(join(directory, 'partial'), { recursive: true });
    await mkdir(join(root, 'lists', 'partial'), { recursive: true });
    await writeFile(join(root, 'status'), '');
    const types = sources ? ['deb', 'deb-src'] : ['deb'];
    await writeFile(join(root, 'sources.list'), sourcesList(suite, types, debianMirror()));
    await writeFile(join(root, 'apt.conf'), aptConfiguration(root, architecture));
    const run = (...args: string[]) =>
      runProgram('apt-get', ['-qq', '-c', join(root, 'apt.conf'), '-t', suite, ...args], { cwd: directory });
    await run('update');
    return await work({ run, directory });
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

function sourcesList(suite: DebianSuite, types: readonly string[], { uri, keyring }: DebianMirror): string {
  const base = suite.replace(/-backports$/, '');
  const suites = base === suite ? [base] : [base, suite];
  const line = (type: string, name: string) => `${type} [signed-by=${keyring}] ${uri} ${name} main\n`;
  return types.flatMap((type) => suites.map((name) => line(type, name))).join('');
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
