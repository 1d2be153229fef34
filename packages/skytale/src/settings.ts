/** All settings of all commands, in one table: flags, environment variables, file and help are made of it. */
import { dataDirectory, loginName, stateDirectory } from './directories.ts';
import {
  engines,
  integer,
  oneOf,
  parseAddress,
  parseAddresses,
  parseCryptoDevice,
  parseList,
  parseSize,
  parseSwitch,
  parseText,
  parseTime,
} from './setting-values.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** One setting. Its name in the table is the flag's, without the dashes. */
export type Setting<T> = {
  /** What stands for its value in the help; a setting without one is a switch. */
  readonly value?: string;
  readonly help: string;
  /** @throws {Error} whose message says what the value must be, as in `is not …` */
  readonly parse: (text: string) => T;
  /** The value when none is given, as it would be given; or undefined, which then is the value. */
  readonly fallback: (env: Environment) => string | undefined;
  /** The fallback in words, where the text of it would not help. */
  readonly fallbackHelp?: string;
  /** Heading in the help. */
  readonly group?: string;
};

const define = <T>(setting: Setting<T>): Setting<T> => setting;
const is = (value: string) => () => value;
const none = () => undefined;

/** A limit of the server. */
const limit = <T>(value: string, help: string, parse: (text: string) => T, fallback: string): Setting<T> => ({
  value,
  help,
  parse,
  fallback: is(fallback),
  group: 'Limits:',
});

export const settings = {
  listen: define({
    value: 'HOST:PORT,…',
    help: 'address for clients over TCP (TLS with --tls-cert); port 0 takes a free one',
    parse: parseAddresses,
    fallback: is('127.0.0.1:7000'),
  }),
  http: define({
    value: 'HOST:PORT,…',
    help: 'address for HTTP, with WebSocket for clients; "off" for none',
    parse: parseAddresses,
    fallback: is('127.0.0.1:7080'),
  }),
  data: define({
    value: 'DIR',
    help: 'directory of the server, for its database',
    parse: parseText,
    fallback: dataDirectory,
  }),
  'tls-cert': define({
    value: 'FILE',
    help: 'certificate chain, PEM',
    parse: parseText,
    fallback: none,
    fallbackHelp: 'no TLS; what is said is encrypted anyway',
  }),
  'tls-key': define({
    value: 'FILE',
    help: 'private key of the certificate, PEM',
    parse: parseText,
    fallback: none,
  }),
  origins: define({
    value: 'URL,…',
    help: 'pages that may open a WebSocket, besides our own; "*" for all',
    parse: parseList,
    fallback: none,
  }),
  durability: define({
    value: 'HOW',
    help: 'full: what is acknowledged survives a power cut; normal: it survives a crash of the server',
    parse: oneOf('full', 'normal'),
    fallback: is('full'),
  }),
  'retention-days': define({
    value: 'DAYS',
    help: 'delete messages that are older; 0 for never',
    parse: integer(0, 36_500),
    fallback: is('0'),
  }),
  'log-level': define({
    value: 'LEVEL',
    help: 'what to log: debug, info, warn, error or silent',
    parse: oneOf('debug', 'info', 'warn', 'error', 'silent'),
    fallback: is('info'),
  }),

  'max-storage': limit('SIZE', 'of the whole database; 0 for no limit', parseSize, '10G'),
  'max-room-size': limit('SIZE', 'of what is kept of one room', parseSize, '1G'),
  'max-rooms': limit('N', 'rooms that it keeps', integer(0), '1000'),
  'max-frame': limit('SIZE', 'of one frame of the protocol, so of a message', parseSize, '256K'),
  'max-connections': limit('N', 'connections', integer(0), '10000'),
  'max-per-address': limit('N', 'connections from one address', integer(0), '256'),
  'frames-per-second': limit('N', 'read from one connection, on average', integer(0), '1000'),
  'frames-burst': limit('N', 'read from it at once after a pause', integer(1), '5000'),
  'bytes-per-second': limit('SIZE', 'read from one connection, on average', parseSize, '4M'),
  'bytes-burst': limit('SIZE', 'read from it at once after a pause', parseSize, '16M'),
  'hello-timeout': limit('TIME', 'for a new connection to enter a room', parseTime, '10s'),
  'idle-timeout': limit('TIME', 'without a sign of life', parseTime, '90s'),
  'write-timeout': limit('TIME', 'for a client to take what was sent', parseTime, '60s'),
  'close-timeout': limit('TIME', 'for clients to take what is left when the server ends', parseTime, '3s'),
  'presence-delay': limit('TIME', 'before it is said who came and went', parseTime, '50ms'),

  json: define({ help: 'print JSON, for scripts', parse: parseSwitch, fallback: is('false') }),
  server: define({
    value: 'HOST:PORT',
    help: 'the server of the room; tls://HOST:PORT, ws://… or wss://… for the other transports',
    parse: parseText,
    fallback: is('127.0.0.1:7000'),
  }),
  passphrase: define({
    help: 'make a room for those who know a passphrase; it is asked for, or read from standard input',
    parse: parseSwitch,
    fallback: is('false'),
  }),
  'passphrase-file': define({
    value: 'FILE',
    help: "file whose first line is the room's passphrase",
    parse: parseText,
    fallback: none,
    fallbackHelp: 'SKYTALE_PASSPHRASE, or it is asked for on a terminal',
  }),
  name: define({
    value: 'NAME',
    help: 'your name in the room',
    parse: parseText,
    fallback: loginName,
    fallbackHelp: 'your login name',
  }),
  crypto: define({
    value: 'DEVICE',
    help:
      "what encrypts: virtio (a virtio-cryptodev device in this process), a path such as /dev/crypto (the kernel's), " +
      'or openssl, node, webcrypto, ipsec-mb, cryptodev, af-alg (the engine itself); auto is a /dev/crypto that works, or virtio',
    parse: parseCryptoDevice,
    fallback: is('auto'),
  }),
  since: define({
    value: 'SEQ',
    help: 'show the messages after number SEQ again; 0 shows all that the server has',
    parse: integer(0),
    fallback: none,
    fallbackHelp: 'what is new since your last visit; on the first visit, all',
  }),
  follow: define({
    help: 'in a pipe: stay when standard input ends, and go on printing',
    parse: parseSwitch,
    fallback: is('false'),
  }),
  format: define({
    value: 'FORMAT',
    help: 'in a pipe: text or json',
    parse: oneOf('text', 'json'),
    fallback: is('text'),
  }),
  state: define({
    value: 'DIR',
    help: 'directory for your identities and unsent messages',
    parse: parseText,
    fallback: stateDirectory,
  }),
  timeout: define({
    value: 'SECONDS',
    help: 'in a pipe: how long the server may be away',
    parse: integer(1, 86_400),
    fallback: is('30'),
  }),
  'ca-file': define({
    value: 'FILE',
    help: 'certificates of authorities to trust besides the usual, PEM; for servers with TLS',
    parse: parseText,
    fallback: none,
  }),

  model: define({
    value: 'MODEL',
    help:
      'virtio-crypto (the standard one, which Linux drives by itself), virtio-cryptodev (ours, for all of ' +
      '/dev/crypto), or for a guest of its own none',
    parse: oneOf('virtio-crypto', 'virtio-cryptodev', 'none'),
    fallback: is('virtio-crypto'),
  }),
  socket: define({
    value: 'PATH',
    help: 'Unix socket to listen on, where the virtual machine connects',
    parse: parseText,
    fallback: none,
  }),
  engine: define({
    value: 'ENGINE',
    help:
      'what does the cryptography: openssl, node, webcrypto, ipsec-mb (AES-CBC of many requests at a time, by ' +
      "Intel's library), cryptodev (/dev/crypto) or af-alg (Linux itself); auto is ipsec-mb if it works, or openssl",
    parse: oneOf('auto', ...engines),
    fallback: is('auto'),
  }),
  queues: define({
    value: 'N',
    help: 'data queues of the device',
    parse: integer(1, 64),
    fallback: is('1'),
  }),
  'trust-vmm-memory': define({
    help:
      'take memory of virtual machines that is not sealed, such as memory-backend-file with huge pages: a VMM that ' +
      'then makes its memory smaller ends this device at once (SIGBUS)',
    parse: parseSwitch,
    fallback: is('false'),
  }),
  metrics: define({
    value: 'HOST:PORT',
    help: 'address for Prometheus to read counters at /metrics; port 0 takes a free one',
    parse: parseAddress,
    fallback: none,
    fallbackHelp: 'none',
  }),

  vmm: define({
    value: 'VMM',
    help: 'qemu, or v86, an emulator that needs nothing but is slow',
    parse: oneOf('qemu', 'v86'),
    fallback: is('qemu'),
  }),
  qemu: define({
    value: 'VERSION',
    help: "QEMU 7 or 11; fetched if it is not this machine's own",
    parse: oneOf('7', '11'),
    fallback: none,
    fallbackHelp: "this machine's own, or 11 where it has none that can do this",
  }),
  memory: define({
    value: 'MIB',
    help: 'memory of the guest',
    parse: integer(128, 1 << 20),
    fallback: none,
    fallbackHelp: '1024, with v86 128',
  }),
  cpus: define({ value: 'N', help: 'processors of the guest', parse: integer(1, 64), fallback: is('2') }),
  network: define({
    help: "give the guest QEMU's user-mode network: it reaches out, nobody reaches in",
    parse: parseSwitch,
    fallback: is('false'),
  }),
} as const satisfies Record<string, Setting<unknown>>;

export type SettingName = keyof typeof settings;

/** Settings that have a value only when one is given. */
type Optional =
  | ('tls-cert' | 'tls-key' | 'origins' | 'passphrase-file' | 'since' | 'ca-file')
  | ('socket' | 'metrics' | 'qemu' | 'memory');

export type Values<Name extends SettingName> = {
  readonly [Key in Name]:
    | ReturnType<(typeof settings)[Key]['parse']>
    | (Key extends Optional ? undefined : never);
};
