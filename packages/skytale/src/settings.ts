/** All settings of all commands, in one table: flags, environment variables, file and help are made of it. */
import { loginName, stateDirectory } from './directories.ts';
import { serverFlags } from './server-flags.ts';
import type { Setting } from './setting.ts';
import {
  engines,
  integer,
  oneOf,
  parseAddress,
  parseCryptoDevice,
  parseSwitch,
  parseText,
  parseTime,
} from './setting-values.ts';

export type { Environment, Setting } from './setting.ts';

const define = <T>(setting: Setting<T>): Setting<T> => setting;
const is = (value: string) => () => value;
const none = () => undefined;

export const settings = {
  ...serverFlags,
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
  'log-level': define({
    value: 'LEVEL',
    help: 'what to log: debug, info, warn, error or silent',
    parse: oneOf('debug', 'info', 'warn', 'error', 'silent'),
    fallback: is('info'),
  }),

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
  'invite-file': define({
    value: 'FILE',
    help: 'file whose first line is the invite; "-" reads it from standard input, or asks for it on a terminal',
    parse: parseText,
    fallback: none,
    fallbackHelp: 'SKYTALE_INVITE, unless INVITE is given',
  }),
  'passphrase-file': define({
    value: 'FILE',
    help: 'file whose first line is the passphrase of the room; "-" is standard input',
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
    help: 'show the messages after number SEQ again, as far as they are kept here; 0 shows all',
    parse: integer(0),
    fallback: none,
    fallbackHelp: 'what is new since your last visit; on the first visit, all',
  }),
  history: define({
    value: 'N',
    help: 'how many messages are kept here, sealed, to be shown again; 0 keeps none. Old ones are forgotten at 256 MiB too',
    parse: integer(0),
    fallback: is('100000'),
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
    help: 'directory for your identities, what you have read, and unsent messages',
    parse: parseText,
    fallback: stateDirectory,
  }),
  timeout: define({
    value: 'TIME',
    help: 'in a pipe: how long nothing may come of what the server is waited for',
    parse: parseTime,
    fallback: is('30s'),
  }),
  'ca-file': define({
    value: 'FILE',
    help: 'certificates of authorities to trust besides the usual, PEM; for servers with TLS',
    parse: parseText,
    fallback: none,
  }),

  port: define({
    value: 'PORT',
    help: 'port of this machine for the page; a browser keeps rooms by it, so take another for another server',
    parse: integer(0, 65_535),
    fallback: is('7090'),
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
  'max-sessions': define({
    value: 'N',
    help: 'sessions that may be open at a time: of the device, or with virtio-cryptodev of each of its files',
    parse: integer(1, 65_536),
    fallback: none,
    fallbackHelp: '16384',
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
  | ('tls-cert' | 'tls-key' | 'invite-file' | 'passphrase-file' | 'since' | 'ca-file')
  | ('socket' | 'max-sessions' | 'metrics' | 'qemu' | 'memory');

export type Values<Name extends SettingName> = {
  readonly [Key in Name]:
    | ReturnType<(typeof settings)[Key]['parse']>
    | (Key extends Optional ? undefined : never);
};
