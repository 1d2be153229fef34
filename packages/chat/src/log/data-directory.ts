/**
 * The directory of a log. It holds `chat.db` (with `-wal` and `-shm` beside it while it is open; others may read it,
 * for backups) and `lock`, another SQLite file, on which one log holds an exclusive lock that ends with the process
 * however it ends.
 */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { makePrivateDirectory } from '../private-directory.ts';
import { makePrivateFile } from '../private-file.ts';
import { LogError } from './log-error.ts';
import { logError, resultCode, SQLITE_BUSY } from './sqlite-errors.ts';

/** Where the database of the directory is. */
export function databaseOf(directory: string): string {
  return join(directory, 'chat.db');
}

/**
 * Makes the directory and what is missing in it, and locks it until what is returned is closed.
 * @throws {LogError} LOG_NOT_ACCESSIBLE, LOG_IN_USE, LOG_FULL, LOG_FAILED
 */
export function lockDirectory(directory: string): DatabaseSync {
  const path = join(directory, 'lock');
  accessing(directory, 'made', () => makePrivateDirectory(directory));
  accessing(path, 'written', () => makePrivateFile(path));
  accessing(databaseOf(directory), 'written', () => makePrivateFile(databaseOf(directory)));
  const lock = new DatabaseSync(path, { timeout: 0 });
  try {
    // In memory, because a journal file would lie about as long as the lock is held.
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock.close();
    if (resultCode(error) === SQLITE_BUSY) {
      throw new LogError(
        'LOG_IN_USE',
        `The data directory ${directory} is in use by another server. Stop it, or choose another directory.`,
        { cause: error },
      );
    }
    throw logError(error, `locking ${directory}`);
  }
}

function accessing(path: string, what: 'made' | 'written', work: () => void): void {
  try {
    work();
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    throw new LogError(
      code === 'ENOSPC' ? 'LOG_FULL' : 'LOG_NOT_ACCESSIBLE',
      `${path} cannot be ${what} (${code}). Choose another data directory, or see to its permissions.`,
      { cause },
    );
  }
}
