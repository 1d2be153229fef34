/**
 * A directory of things that are costly to make: package trees, initramfs images. An entry appears whole or not
 * at all, because it is made under another name and renamed, so any number of processes may share the cache.
 * Entries are never refreshed: remove the directory to fetch newer packages.
 */
import { randomUUID } from 'node:crypto';
import { access, mkdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

/** `SKYTALE_CACHE`, else `skytale` in `XDG_CACHE_HOME`, else `~/.cache/skytale`. */
export function cacheDirectory(env: NodeJS.ProcessEnv = process.env): string {
  if (env.SKYTALE_CACHE) return resolve(env.SKYTALE_CACHE);
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'skytale');
}

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

const inProgress = new Map<string, Promise<string>>();

/**
 * The path of the entry `name`, made by `make` if it is not there. `make` writes a file or a directory at the
 * path it is given, and is told the path where the result will stand. Two processes that make the same entry at
 * once both do the work, and one result is kept.
 */
export function cached(
  name: string,
  make: (temporary: string, final: string) => Promise<void>,
  directory = cacheDirectory(),
): Promise<string> {
  const final = join(directory, name);
  let pending = inProgress.get(final);
  if (pending === undefined) {
    pending = fill(final, make).finally(() => inProgress.delete(final));
    inProgress.set(final, pending);
  }
  return pending;
}

async function fill(final: string, make: (temporary: string, final: string) => Promise<void>) {
  if (await exists(final)) return final;
  await mkdir(dirname(final), { recursive: true });
  const temporary = `${final}.${randomUUID()}.tmp`;
  try {
    await make(temporary, final);
    await rename(temporary, final).catch(async (error: NodeJS.ErrnoException) => {
      // A directory cannot replace one that another process put there first: that one serves as well.
      if (!(await exists(final))) throw error;
    });
    return final;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}
