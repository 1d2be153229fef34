/** What SQLite says, as errors of the log. */
import { LogError } from './log-error.ts';

// https://www.sqlite.org/rescode.html, the primary codes
export const SQLITE_PERM = 3;
export const SQLITE_BUSY = 5;
export const SQLITE_LOCKED = 6;
export const SQLITE_READONLY = 8;
export const SQLITE_CORRUPT = 11;
export const SQLITE_FULL = 13;
export const SQLITE_CANTOPEN = 14;
export const SQLITE_CONSTRAINT = 19;
export const SQLITE_NOTADB = 26;

/** SQLite's primary result code; `undefined` if the error is not SQLite's. */
export function resultCode(error: unknown): number | undefined {
  const extended = (error as { errcode?: unknown } | null)?.errcode;
  return typeof extended === 'number' ? extended & 0xff : undefined;
}

/** @param doing what was being done, as in "failed while …" */
export function logError(error: unknown, doing: string): LogError {
  if (error instanceof LogError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const make = (code: LogError['code'], advice: string) =>
    new LogError(code, `The message log failed while ${doing}: ${text}. ${advice}`, { cause: error });
  switch (resultCode(error)) {
    case SQLITE_FULL:
      return make('LOG_FULL', 'Make room on the disk, or raise the storage limit.');
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return make('LOG_BUSY', 'Another program holds the database locked; end what it does there.');
    case SQLITE_CORRUPT:
      return make('LOG_DAMAGED', 'Look after the disk; restore the database from a backup.');
    case SQLITE_NOTADB:
      return make('LOG_CORRUPT', 'Restore the database from a backup, or choose another data directory.');
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
      return make('LOG_NOT_ACCESSIBLE', 'See to the permissions of the data directory.');
    default:
      return make('LOG_FAILED', "See the machine's own log.");
  }
}

/** Does `work`; what it throws becomes a LogError. */
export function doing<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw logError(error, what);
  }
}
