import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes a directory that only its owner may enter, and those above it that are missing; one that is there stays as it
 * is. Not by the `recursive` of `mkdirSync`: that tries for ever where a directory is there and nothing can be
 * made in it, as in /proc.
 * @throws the system's error
 */
export function makePrivateDirectory(directory: string): void {
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && statSync(directory).isDirectory()) return;
    if (code !== 'ENOENT' || existsSync(dirname(directory))) throw error;
    makePrivateDirectory(dirname(directory));
    makePrivateDirectory(directory);
  }
}
