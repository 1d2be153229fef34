import { chmodSync, closeSync, openSync, statSync } from 'node:fs';

/** Device and inode of the files that this process holds. */
const held = new Set<string>();

/**
 * Makes an empty file that only its owner may read and write; one that is there is made so.
 *
 * It is not opened if it is there: POSIX ends all locks that a process has on a file when the process closes any descriptor of it, so
 * one that SQLite has locked would be free.
 * @throws the system's error
 */
export function makePrivateFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    chmodSync(path, 0o600);
  }
}

/**
 * Takes a file for one part of this process, by whatever path it is reached: the system's locks tell processes apart, not
 * parts of one. The file must be there.
 * @returns `undefined` if another part has it
 * @throws the system's error
 */
export function holdFile(path: string): Disposable | undefined {
  const { dev, ino } = statSync(path, { bigint: true });
  const name = `${dev}:${ino}`;
  if (held.has(name)) return undefined;
  held.add(name);
  return { [Symbol.dispose]: () => void held.delete(name) };
}
