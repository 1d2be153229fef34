/** Which Debian mirror the host uses: read from its own package sources (sources.list(5)), never assumed. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { VmError } from './vm-error.ts';

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

export interface DebianMirror {
  readonly uri: string;
  /** The file of the keys that sign Debian's releases. */
  readonly keyring: string;
}

/** Releases by name: a source for one of these on a Debian host is a mirror of Debian itself. */
const release = /^(bookworm|trixie|forky|sid|oldstable|stable|testing|unstable)$/;

/** URIs of archives in one-line format: `deb [options] URI suite component…`. */
function* oneLineSources(text: string): Generator<{ uri: string; suites: string[] }> {
  for (const line of text.split('\n')) {
    const match = /^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)/.exec(line);
    if (match) yield { uri: match[1]!, suites: [match[2]!] };
  }
}

/** URIs of archives in deb822 format: stanzas of `Field: value`. */
function* deb822Sources(text: string): Generator<{ uri: string; suites: string[] }> {
  for (const stanza of text.replaceAll(/^#.*\n?/gm, '').split(/\n\s*\n/)) {
    const field = (name: string) => new RegExp(`^${name}:(.*(?:\n[ \t].*)*)`, 'im').exec(stanza)?.[1]?.trim();
    if (field('Enabled') === 'no' || !/\bdeb\b/.test(field('Types') ?? '')) continue;
    const suites = (field('Suites') ?? '').split(/\s+/);
    for (const uri of (field('URIs') ?? '').split(/\s+/)) if (uri !== '') yield { uri, suites };
  }
}

/** The mirror that a package source file names, or undefined. `name` ends in `.list` or `.sources`. */
export function mirrorIn(name: string, text: string): string | undefined {
  const sources = name.endsWith('.sources') ? deb822Sources(text) : oneLineSources(text);
  for (const { uri, suites } of sources) if (suites.some((suite) => release.test(suite))) return uri;
  return undefined;
}

/** The host's Debian mirror; `SKYTALE_DEBIAN_MIRROR` names one on hosts that are not Debian. */
export function debianMirror(env: NodeJS.ProcessEnv = process.env): DebianMirror {
  if (!existsSync(keyring))
    throw new VmError('unknown-mirror', `${keyring} is missing: install the package debian-archive-keyring`);
  if (env.SKYTALE_DEBIAN_MIRROR) return { uri: env.SKYTALE_DEBIAN_MIRROR, keyring };
  const files = ['/etc/apt/sources.list', ...globSync('/etc/apt/sources.list.d/*.{list,sources}').sort()];
  for (const file of files) {
    const uri = existsSync(file) ? mirrorIn(file, readFileSync(file, 'utf8')) : undefined;
    if (uri !== undefined) return { uri, keyring };
  }
  throw new VmError(
    'unknown-mirror',
    'no Debian mirror in /etc/apt/sources.list or /etc/apt/sources.list.d: set SKYTALE_DEBIAN_MIRROR to the URI of one',
  );
}
