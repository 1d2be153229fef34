import { closeSync, openSync } from 'node:fs';

/**
 * Makes an empty file that only its owner may read and write, for SQLite, which by itself would make it readable for
 * all; one that is there stays as it is.
 *
 * It MUST NOT open one that is there, and neither must anybody else in this process, not for a moment: POSIX locks of a
 * process on a file end when it closes any descriptor of that file, so that would release the locks of a database that is
 * open. SQLite itself knows which files it has open, and takes care.
 * @throws the system's error
 */
export function makePrivateFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
