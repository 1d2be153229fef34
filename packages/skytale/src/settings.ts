/**
 * All settings of all commands in one table. Each can be given as a flag, as an environment variable
 * (SKYTALE_ and the flag's name in capitals) or in the file that --config names (JSON, the flags' names are
 * its keys). A flag goes before the environment, the environment before the file.
 */
import { readFileSync } from 'node:fs';
import { UsageError } from './command-error.ts';
import { dataDirectory, loginName, stateDirectory } from './directories.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** One setting. Its name in the table is the flag's, without the dashes. */
type Setting<T> = {
  /** What stands for its value in the help; a setting without one is a switch. */
  readonly value?: string;
  readonly help: string;
  /** @throws {Error} whose message says what the value must be, as in `is not …` */
  readonly parse: (text: string) => T;
  readonly fallback: (env: Environment) => T;
  /** The fallback in words, where the help is to show something else than its value. */
  readonly fallbackHelp?: string;
};

const define = <T>(setting: Setting<T>): Setting<T> => setting;

export type Address = { readonly host: string; readonly port: number };

/** HOST:PORT, with an IPv6 host in brackets; PORT or :PORT alone means this machine only. */
export function parseAddress(text: string): Address {
  const match = /^(?:(\[[0-9a-fA-F:.%\w]+\]|[^:[\]/\s]*):)?(\d{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (!match || port > 65_535) throw new Error('is not HOST:PORT, like 127.0.0.1:7000 or [::1]:7000');
  return { host: (match[1] || '127.0.0.1').replace(/^\[|\]$/g, ''), port };
}

export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

const text = (value: string): string => {
  if (value === '') throw new Error('is empty');
  return value;
};

const switchValue = (value: string): boolean => {
  if (/^(1|true|yes|on)$/i.test(value)) return true;
  if (/^(0|false|no|off|)$/i.test(value)) return false;
  throw new Error('is neither true nor false');
};

const integer =
  (least: number, most = Number.MAX_SAFE_INTEGER) =>
  (value: string): number => {
    const number = /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
    if (!(number >= least && number <= most)) {
      throw new Error(
        `is not a whole number from ${least}${most < Number.MAX_SAFE_INTEGER ? ` to ${most}` : ''}`,
      );
    }
    return number;
  };

const oneOf =
  <const T extends string>(...choices: readonly T[]) =>
  (value: string): T => {
    const choice = choices.find((candidate) => candidate === value);
    if (choice === undefined) throw new Error(`is none of ${choices.join(', ')}`);
    return choice;
  };

const off = () => false;
const none = (): undefined => undefined;

export const settings = {
  listen: define({
    value: 'HOST:PORT',
    help: 'address for clients over TCP; port 0 takes a free one',
    parse: parseAddress,
    fallback: () => ({ host: '127.0.0.1', port: 7000 }),
  }),
  http: define({
    value: 'HOST:PORT',
    help: 'address for HTTP, with WebSocket for clients; "off" for none',
    parse: (value) => (value === 'off' ? undefined : parseAddress(value)),
    fallback: (): Address | undefined => ({ host: '127.0.0.1', port: 7080 }),
  }),
  data: define({
    value: 'DIR',
    help: 'directory of the server, for its database',
    parse: text,
    fallback: dataDirectory,
  }),
  json: define({ help: 'print JSON for scripts', parse: switchValue, fallback: off }),
  server: define({
    value: 'HOST:PORT',
    help: 'the server where the room is to be; tls://HOST:PORT, ws://… or wss://… for the other transports',
    parse: text,
    fallback: () => '127.0.0.1:7000',
  }),
  passphrase: define({
    help: 'a room for those who know a passphrase; it is asked for, or read from standard input',
    parse: switchValue,
    fallback: off,
  }),
  'passphrase-file': define({
    value: 'FILE',
    help: "file whose first line is the room's passphrase",
    parse: text,
    fallback: none as () => string | undefined,
    fallbackHelp: 'asked for on the terminal',
  }),
  name: define({
    value: 'NAME',
    help: 'your name in the room',
    parse: text,
    fallback: loginName,
    fallbackHelp: 'your login name',
  }),
  crypto: define({
    value: 'ENGINE',
    help: 'what encrypts: auto, virtio, openssl, node or webcrypto',
    parse: oneOf('auto', 'virtio', 'openssl', 'node', 'webcrypto'),
    fallback: () => 'auto' as const,
  }),
  since: define({
    value: 'SEQ',
    help: 'show the messages after number SEQ again; 0 shows all that the server has',
    parse: integer(0),
    fallback: none as () => number | undefined,
    fallbackHelp: 'what is new since your last visit; on the first visit, everything',
  }),
  follow: define({
    help: 'in a pipe: stay when standard input ends, and go on printing',
    parse: switchValue,
    fallback: off,
  }),
  format: define({
    value: 'FORMAT',
    help: 'in a pipe: text or json',
    parse: oneOf('text', 'json'),
    fallback: () => 'text' as const,
  }),
  state: define({
    value: 'DIR',
    help: 'directory for your identities and unsent messages',
    parse: text,
    fallback: stateDirectory,
  }),
  timeout: define({
    value: 'SECONDS',
    help: 'in a pipe: how long the server may be away',
    parse: integer(1, 86_400),
    fallback: () => 30,
  }),
  'log-level': define({
    value: 'LEVEL',
    help: 'what to log: debug, info, warn, error or silent',
    parse: oneOf('debug', 'info', 'warn', 'error', 'silent'),
    fallback: () => 'info' as const,
  }),
} as const satisfies Record<string, Setting<unknown>>;

export type SettingName = keyof typeof settings;
export type Values<Name extends SettingName> = {
  readonly [Key in Name]:
    | ReturnType<(typeof settings)[Key]['parse']>
    | ReturnType<(typeof settings)[Key]['fallback']>;
};

/** Values as a flag, a variable or the file has them. */
type Given = Readonly<Record<string, unknown>>;

export const variableOf = (name: string): string => `SKYTALE_${name.toUpperCase().replaceAll('-', '_')}`;

/**
 * The values of the settings `names`.
 * @param flags by setting name, as commander has parsed them: texts, or true for a switch
 * @throws {UsageError} that says where the wrong value stands
 */
export function resolveSettings<const Name extends SettingName>(
  names: readonly Name[],
  flags: Given,
  env: Environment,
  configFile: string | undefined,
): Values<Name> {
  const file = configFile === undefined ? {} : readConfigFile(configFile);
  const values: Partial<Record<SettingName, unknown>> = {};
  for (const name of names) {
    const setting: Setting<unknown> = settings[name];
    const variable = variableOf(name);
    const found =
      flags[name] !== undefined
        ? ([`--${name}`, flags[name]] as const)
        : env[variable] !== undefined
          ? ([variable, env[variable]] as const)
          : file[name] !== undefined
            ? ([`"${name}" in ${configFile}`, file[name]] as const)
            : undefined;
    values[name] = found === undefined ? setting.fallback(env) : parse(setting, found);
  }
  return values as Values<Name>;
}

function parse(setting: Setting<unknown>, [where, value]: readonly [string, unknown]): unknown {
  try {
    return setting.parse(String(value));
  } catch (error) {
    throw new UsageError(`${where}: ${JSON.stringify(value)} ${(error as Error).message}.`, { cause: error });
  }
}

function readConfigFile(path: string): Given {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new UsageError(`--config ${path}: ${(error as Error).message}`, { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UsageError(`--config ${path}: must be one JSON object, like {"listen": "0.0.0.0:7000"}.`);
  }
  for (const [name, entry] of Object.entries(value)) {
    if (!Object.hasOwn(settings, name)) {
      throw new UsageError(
        `--config ${path}: there is no setting "${name}"; there are ${Object.keys(settings).join(', ')}.`,
      );
    }
    if (!['string', 'number', 'boolean'].includes(typeof entry)) {
      throw new UsageError(`--config ${path}: "${name}" must be a string, a number, true or false.`);
    }
  }
  return value as Given;
}
