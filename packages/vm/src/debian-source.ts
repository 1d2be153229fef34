/** Debian's source packages, downloaded with the host's apt into the cache. */
import { cp, readdir } from 'node:fs/promises';
import { cached } from './cache.ts';
import { type DebianSuite, withApt } from './debian-apt.ts';
import type { Progress } from './debian-packages.ts';
import { VmError } from './vm-error.ts';

/**
 * The directory with the files of a source package: its `.dsc`, for `dpkg-source`, and what that names. It is fetched
 * once. Rejects as `debianTree` does.
 */
export function debianSource(suite: DebianSuite, name: string, onProgress?: Progress): Promise<string> {
  return cached(`debian/${name}-${suite}-source`, async (directory) => {
    onProgress?.(`Fetching Debian's source package (${suite}): ${name}`);
    await withApt({ suite, architecture: 'amd64', sources: true }, async (apt) => {
      await apt.run('source', '--download-only', name);
      const files = await readdir(apt.directory);
      if (!files.some((file) => file.endsWith('.dsc')))
        throw new VmError('not-found', `no source package ${name} in ${suite}`);
      await cp(apt.directory, directory, { recursive: true, filter: (path) => !path.endsWith('/partial') });
    });
  });
}
