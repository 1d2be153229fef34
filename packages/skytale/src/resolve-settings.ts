/**
 * Where the value of a setting comes from: the flag, else the environment variable (SKYTALE_ and the flag's name in
 * capitals), else the file that --config names (JSON, the flags' names are its keys), else the fallback.
 */
import { UsageError } from './command-error.ts';
import { readGivenFile } from './given-file.ts';
import { type Environment, type Setting, type SettingName, settings, type Values } from './settings.ts';

/** Values as a flag, a variable or the file has them. */
type Given = Readonly<Record<string, unknown>>;

export const variableOf = (name: string): string => `SKYTALE_${name.toUpperCase().replaceAll('-', '_')}`;

/**
 * The values of the settings `names`.
 * @param flags by setting name: texts, or true for a switch
 * @throws {UsageError} that says where the wrong value stands
 */
export function resolveSettings<const Name extends SettingName>(
  names: readonly Name[],
  flags: Given,
  env: Environment,
  configFile: string | undefined,
): Values<Name> {
  const file = configFile === undefined ? {} : readConfigFile(configFile);
  const values = names.map((name) => {
    const setting: Setting<unknown> = settings[name];
    const variable = variableOf(name);
    const sources = [
      [`--${name}`, flags[name]],
      [variable, env[variable]],
      [`"${name}" in ${configFile}`, file[name]],
      [`the default of --${name}`, setting.fallback(env)],
    ] as const;
    const source = sources.find(([, value]) => value !== undefined);
    return [name, source && parse(setting, source)];
  });
  return Object.fromEntries(values) as Values<Name>;
}

function parse(setting: Setting<unknown>, [where, value]: readonly [string, unknown]): unknown {
  try {
    return setting.parse(String(value));
  } catch (error) {
    throw new UsageError(`${where}: ${JSON.stringify(value)} ${(error as Error).message}.`, { cause: error });
  }
}

function readConfigFile(path: string): Given {
  const text = readGivenFile('config', path);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UsageError(`--config ${path}: ${(error as Error).message}`, { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UsageError(`--config ${path}: must be one JSON object, like {"listen": "0.0.0.0:7000"}.`);
  }
  for (const [name, entry] of Object.entries(value)) {
    if (!Object.hasOwn(settings, name)) {
      const known = Object.keys(settings).join(', ');
      throw new UsageError(`--config ${path}: there is no setting "${name}"; there are ${known}.`);
    }
    if (!['string', 'number', 'boolean'].includes(typeof entry)) {
      throw new UsageError(`--config ${path}: "${name}" must be a string, a number, true or false.`);
    }
  }
  return value as Given;
}
