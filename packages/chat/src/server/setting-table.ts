/**
 * Every setting of a server, once. The check of what `ChatServer.start` is given, flags, environment variables, help
 * texts and the table in docs/limits.md all follow from this table. It imports nothing that takes time to load, because `--help` reads it.
 */
import { DEFAULT_MAX_FRAME, MAX_MAX_FRAME, MIN_MAX_FRAME } from '../protocol/frames.ts';
import { parseNetwork } from './network.ts';
import { isOrigin } from './origin.ts';

export { webOriginOf } from './origin.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** What kinds of value there are; the values of times are in milliseconds, those of sizes in bytes. */
export interface SettingValues {
  addresses: readonly Address[];
  /** Texts with commas between them on a command line. */
  list: readonly string[];
  directory: string;
  /** What links begin with; empty for none. */
  origin: string;
  switch: boolean;
  choice: string;
  size: number;
  count: number;
  time: number;
}

export type SettingKind = keyof SettingValues;

interface EntryRule {
  readonly isValid: (entry: string) => boolean;
  /** Goes on behind `is`. */
  readonly otherwise: string;
}

interface SettingOf<
  Kind extends SettingKind,
  Flag extends string = string,
  Value extends SettingValues[Kind] = SettingValues[Kind],
> {
  readonly kind: Kind;
  /** The name of the flag, without its dashes, and of the variable and the key that are made of it. */
  readonly flag: Flag;
  /** What stands for the value in a help text; nothing for a switch. */
  readonly placeholder: string;
  readonly fallback: Value;
  /** For numbers, the smallest and the largest. */
  readonly least: number;
  readonly most: number;
  /** For choices. */
  readonly choices: readonly Value[];
  /** For lists, what each entry must be. */
  readonly entry: EntryRule | undefined;
  /** One sentence; it begins in lower case and has no full stop. */
  readonly help: string;
  /** Whether it bounds something. */
  readonly isLimit: boolean;
}

export type SettingDescription = { [Kind in SettingKind]: SettingOf<Kind> }[SettingKind];

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const SECOND = 1000;
const HOUR = 3600 * SECOND;
const DAY = 24 * HOUR;

type Range = Readonly<{ least?: number; most?: number }>;
const anyNumber = { least: 0, most: Number.MAX_SAFE_INTEGER } as const;
const notNumber = { ...anyNumber, choices: [], entry: undefined, isLimit: false } as const;

function limit<Kind extends 'size' | 'count' | 'time', const Flag extends string>(
  kind: Kind,
  flag: Flag,
  fallback: number,
  help: string,
  range: Range = {},
): SettingOf<Kind, Flag> {
  const placeholder = { size: 'SIZE', count: 'N', time: 'TIME' }[kind];
  return { kind, flag, placeholder, fallback, help, ...notNumber, ...range, isLimit: true };
}

const size = <const Flag extends string>(flag: Flag, fallback: number, help: string, range?: Range) =>
  limit('size', flag, fallback, help, range);
const count = <const Flag extends string>(flag: Flag, fallback: number, help: string, range?: Range) =>
  limit('count', flag, fallback, help, range);
const time = <const Flag extends string>(flag: Flag, fallback: number, help: string) =>
  limit('time', flag, fallback, help, { least: 1, most: DAY });

function addresses<const Flag extends string>(
  flag: Flag,
  port: number,
  help: string,
): SettingOf<'addresses', Flag> {
  const fallback = [{ host: '127.0.0.1', port }];
  return { kind: 'addresses', flag, placeholder: 'HOST:PORT,…', fallback, help, ...notNumber };
}

function list<const Flag extends string>(
  flag: Flag,
  placeholder: string,
  help: string,
  entry: EntryRule,
): SettingOf<'list', Flag> {
  return { kind: 'list', flag, placeholder, fallback: [], help, ...notNumber, entry };
}

function directory<const Flag extends string>(
  flag: Flag,
  fallback: string,
  help: string,
): SettingOf<'directory', Flag> {
  return { kind: 'directory', flag, placeholder: 'DIR', fallback, help, ...notNumber };
}

function origin<const Flag extends string>(flag: Flag, help: string): SettingOf<'origin', Flag> {
  return { kind: 'origin', flag, placeholder: 'URL', fallback: '', help, ...notNumber };
}

function toggle<const Flag extends string>(flag: Flag, help: string): SettingOf<'switch', Flag> {
  return { kind: 'switch', flag, placeholder: '', fallback: false, help, ...notNumber };
}

/** The first choice is the fallback. */
function choice<const Flag extends string, const T extends string>(
  flag: Flag,
  placeholder: string,
  choices: readonly [T, ...T[]],
  help: string,
): SettingOf<'choice', Flag, T> {
  return { kind: 'choice', flag, placeholder, fallback: choices[0], help, ...notNumber, choices };
}

/** By the name that `ChatServer.start` has for it. */
export const settingTable = {
  tcp: addresses(
    'listen',
    7000,
    'address for clients over TCP (TLS with --tls-cert); port 0 takes a free one',
  ),
  http: addresses('http', 7080, 'address for HTTP, with WebSocket for clients at /ws; "off" for none'),
  origins: list('origins', 'URL,…', 'pages that may open a WebSocket, besides our own; "*" for all', {
    isValid: (entry) => entry === '*' || isOrigin(entry),
    otherwise: 'no origin of pages, like https://chat.example.org, without a path; nor "*"',
  }),
  publicUrl: origin(
    'public-url',
    'what web links begin with, where a proxy or a name leads to --http: https://chat.example.org',
  ),
  data: directory('data', 'skytale-data', 'directory of the server, for its database'),
  durability: choice(
    'durability',
    'HOW',
    ['full', 'normal'],
    'full: what is acknowledged survives a power cut; normal: it survives a crash of the server',
  ),

  trustedProxies: list(
    'trusted-proxies',
    'ADDRESS,…',
    'addresses and networks (192.0.2.7, 10.0.0.0/8) of proxies that are believed where a connection comes from',
    {
      isValid: (entry) => parseNetwork(entry) !== undefined,
      otherwise: 'no address or network, like 192.0.2.7 or 2001:db8::/32',
    },
  ),
  proxyProtocol: toggle(
    'proxy-protocol',
    'connections from trusted proxies begin with a header of the PROXY protocol, version 2',
  ),
  forwardedHeader: choice(
    'forwarded-header',
    'HEADER',
    ['none', 'forwarded', 'x-forwarded-for'],
    'the HTTP header to which trusted proxies append who called them: none, forwarded or x-forwarded-for',
  ),

  retentionDays: count('retention-days', 0, 'days after which messages are deleted; 0 for never', {
    most: 36_500,
  }),
  emptyRoomDays: count(
    'empty-room-days',
    30,
    'days after which a room is forgotten in which nothing was ever said; 0 for never',
    { most: 36_500 },
  ),
  maxStorageBytes: size('max-storage', 10 * GIB, 'of the whole database; 0 for no limit'),
  maxRoomBytes: size('max-room-size', 128 * MIB, 'of what is kept of one room; 0 for no limit'),
  maxRooms: count('max-rooms', 1000, 'rooms that it keeps; 0 for no limit'),
  maxRoomsPerAddress: count(
    'max-rooms-per-address',
    32,
    'rooms that were made from one address; 0 for no limit',
  ),
  roomsPerHour: count('rooms-per-hour', 60, 'rooms made from one address in an hour; 0 for no limit'),
  maxFrameBytes: size('max-frame', DEFAULT_MAX_FRAME, 'of one frame of the protocol, so of a message', {
    least: MIN_MAX_FRAME,
    most: MAX_MAX_FRAME,
  }),
  maxConnections: count('max-connections', 10_000, 'connections, in whatever state; 0 for no limit'),
  maxConnectionsPerAddress: count(
    'max-per-address',
    256,
    'connections from one address (IPv6: one /64 network); 0 for no limit',
  ),
  framesPerSecond: count(
    'frames-per-second',
    1000,
    'frames read from one connection, on average; 0 for no limit',
  ),
  framesBurst: count('frames-burst', 5000, 'frames read from it at once after a pause', { least: 1 }),
  bytesPerSecond: size('bytes-per-second', 4 * MIB, 'read from one connection, on average; 0 for no limit'),
  bytesBurst: size('bytes-burst', 16 * MIB, 'read from it at once after a pause', { least: 1 }),
  helloTimeoutMs: time('hello-timeout', 10 * SECOND, 'for a new connection to enter a room, and for a frame'),
  idleTimeoutMs: time('idle-timeout', 90 * SECOND, 'without a sign of life'),
  writeTimeoutMs: time('write-timeout', 60 * SECOND, 'for a client to take what was sent'),
  closeTimeoutMs: time('close-timeout', 3 * SECOND, 'for clients to take what is left when it is over'),
  presenceDelayMs: time('presence-delay', 50, 'before it is said who came and went'),
} as const satisfies Record<string, SettingDescription>;

/** The flag of a setting. */
export type SettingFlag = SettingTable[ServerSettingName]['flag'];

export type SettingTable = typeof settingTable;
export type ServerSettingName = keyof SettingTable;

/** What a setting's value is; of a choice, one of its choices. */
export type ServerSettingValue<Name extends ServerSettingName> = SettingTable[Name]['fallback'];
