import * as v from 'valibot';
import { ServerError } from './server-error.ts';
import {
  type Address,
  type ServerSettingName,
  type ServerSettingValue,
  type SettingDescription,
  settingTable,
  webOriginOf,
} from './setting-table.ts';

export type { Address } from './setting-table.ts';

/** Certificate chain and private key, both PEM: the one setting that a command takes in another form, as files. */
export interface TlsSettings {
  readonly cert: string;
  readonly key: string;
}

/** All settings of a server (`setting-table.ts` describes them). */
export type ServerSettings = { readonly [Name in ServerSettingName]: ServerSettingValue<Name> } & {
  readonly tls?: TlsSettings | undefined;
};
export type ServerSettingsInput = Partial<ServerSettings>;

const port = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65_535));
const someText = v.pipe(v.string(), v.minLength(1));
const isWebOrigin = (text: string) => webOriginOf(text) === text;
const address: v.GenericSchema<Address> = v.strictObject({ host: someText, port });

function listEntry(rule: SettingDescription['entry']): v.GenericSchema<string> {
  return v.pipe(
    v.string(),
    v.check(
      (text) => rule?.isValid(text) ?? true,
      ({ input }) => `${JSON.stringify(input)} is ${rule?.otherwise}`,
    ),
  );
}

function schemaOf({ kind, least, most, choices, entry }: SettingDescription): v.GenericSchema {
  switch (kind) {
    case 'addresses':
      return v.array(address);
    case 'list':
      return v.array(listEntry(entry));
    case 'directory':
      return someText;
    case 'origin':
      return v.union([
        v.literal(''),
        v.pipe(v.string(), v.check(isWebOrigin, 'it is no http(s)://HOST or http(s)://HOST:PORT')),
      ]);
    case 'switch':
      return v.boolean();
    case 'choice':
      return v.picklist(choices);
    case 'size':
    case 'count':
    case 'time':
      return v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most));
  }
}

const schema = v.strictObject({
  ...Object.fromEntries(
    Object.entries(settingTable).map(([name, setting]) => [
      name,
      v.optional(schemaOf(setting), setting.fallback),
    ]),
  ),
  tls: v.optional(v.strictObject({ cert: v.string(), key: v.string() })),
});

/**
 * Checks settings and fills in the defaults.
 * @throws {ServerError} SERVER_INVALID_SETTING, naming the first one that is wrong
 */
export function serverSettings(input: ServerSettingsInput): ServerSettings {
  const result = v.safeParse(schema, input);
  // The schema has the table's names, and checks for each what its kind says.
  if (result.success) return result.output as unknown as ServerSettings;
  const [issue] = result.issues;
  throw new ServerError('SERVER_INVALID_SETTING', `Setting ${v.getDotPath(issue) ?? ''}: ${issue.message}.`);
}
