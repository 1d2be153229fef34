/** Files that settings name. One that cannot be read is a wrong setting. */
import { readFileSync } from 'node:fs';
import { UsageError } from './command-error.ts';
import { explain } from './explain.ts';
import type { SettingName } from './settings.ts';

/** @throws {UsageError} that names the setting and the file */
export function readGivenFile(setting: SettingName | 'config', path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw unreadable(setting, path, error);
  }
}

/** The error for a file that could not be read. @param error of the file system */
export function unreadable(setting: SettingName | 'config', path: string, error: unknown): UsageError {
  // Not all of the system's errors say which file they are about.
  const cause = Object.assign(error as Error, { path });
  return new UsageError(`--${setting}: ${explain(cause)}`, { cause });
}
