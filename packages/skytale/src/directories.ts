/** Where files go when not told: the XDG Base Directory Specification. */
import { homedir, userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

// The specification: a relative path in these variables is to be ignored.
const base = (value: string | undefined, fallback: string): string =>
  value !== undefined && isAbsolute(value) ? value : join(homedir(), fallback);

/** Of a server: its database and its own room. */
export const dataDirectory = (env: Environment): string =>
  join(base(env.XDG_DATA_HOME, '.local/share'), 'skytale');

/** Of a client: identities, messages not yet acknowledged, what was seen. */
export const stateDirectory = (env: Environment): string =>
  join(base(env.XDG_STATE_HOME, '.local/state'), 'skytale');

/** What can be made again at any time: the modules in compiled form. */
export const cacheDirectory = (env: Environment): string =>
  join(base(env.XDG_CACHE_HOME, '.cache'), 'skytale');

/** The login name; where the user has none (some containers), `me`. */
export function loginName(env: Environment): string {
  if (env.USER) return env.USER;
  try {
    return userInfo().username;
  } catch {
    return 'me';
  }
}
