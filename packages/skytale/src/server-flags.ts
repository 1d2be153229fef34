/** The server's settings as settings of a command: what the one table has (`@skytale/chat/setting-table`), in words. */
import { type SettingFlag, type SettingTable, settingTable } from '@skytale/chat/setting-table';
import { dataDirectory } from './directories.ts';
import type { Setting } from './setting.ts';
import {
  formatAddress,
  formatSize,
  formatTime,
  integer,
  listOf,
  oneOf,
  parseAddresses,
  parsePublicUrl,
  parseSwitch,
  parseText,
  parseTime,
  sizeWithin,
} from './setting-values.ts';

type Description = SettingTable[keyof SettingTable];

/** By flag. */
type ServerFlags = {
  readonly [Name in keyof SettingTable as SettingTable[Name]['flag']]: Setting<
    SettingTable[Name]['fallback']
  >;
};

/** The default of a setting, as it would be given. */
export function fallbackText(setting: Description): string {
  switch (setting.kind) {
    case 'addresses':
      return setting.fallback.map(formatAddress).join() || 'off';
    case 'list':
      return setting.fallback.join() || 'none';
    case 'origin':
      return setting.fallback || 'none';
    case 'size':
      return formatSize(setting.fallback);
    case 'time':
      return formatTime(setting.fallback);
    default:
      return String(setting.fallback);
  }
}

function parserOf(setting: Description): (text: string) => unknown {
  switch (setting.kind) {
    case 'addresses':
      return parseAddresses;
    case 'list':
      return listOf(setting.entry!);
    case 'directory':
      return parseText;
    case 'origin':
      return parsePublicUrl;
    case 'switch':
      return parseSwitch;
    case 'choice':
      return oneOf(...setting.choices);
    case 'size':
      return sizeWithin(setting.least, setting.most);
    case 'count':
      return integer(setting.least, setting.most);
    case 'time':
      return parseTime;
  }
}

function flagOf(setting: Description): Setting<unknown> {
  const text = fallbackText(setting);
  return {
    ...(setting.kind !== 'switch' && { value: setting.placeholder }),
    help: setting.help,
    parse: parserOf(setting),
    // A command is run anywhere: its server keeps its data in one place all the same.
    fallback: setting.kind === 'directory' ? dataDirectory : () => text,
    ...(setting.isLimit && { group: 'Limits:' }),
  };
}

export const serverFlags = Object.fromEntries(
  Object.values(settingTable).map((setting) => [setting.flag, flagOf(setting)]),
) as ServerFlags;

export const serverFlagNames = Object.values(settingTable).map(({ flag }) => flag) as readonly SettingFlag[];
