/** `skytale start`: a server with a room of its own, and all that one needs to know to talk in it. */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  createRoom,
  formatInvite,
  formatOrigin,
  formatWebInvite,
  type Invite,
  nodeCrypto,
  parseInvite,
  parseServerAddress,
  type ServerAddress,
} from '@skytale/chat';
import { hostInCertificate, outerAddress } from '../certificates.ts';
import { CommandError } from '../command-error.ts';
import { openDevice, tryDevice } from '../crypto.ts';
import { isSecureOrigin } from '../secure-origin.ts';
import { type Listening, runServer } from '../server-run.ts';
import type { ServerValues } from '../server-values.ts';
import { shellWord } from '../shell-word.ts';
import { whenReaderLeaves, writeOut } from '../stdio.ts';
import { type Style, styleFor } from '../style.ts';
import { table } from '../table.ts';

/** The invite to the room that `start` makes, in the data directory; for its owner alone. */
const inviteFile = 'start-room.invite';

export async function start(values: ServerValues): Promise<number> {
  await using device = await openDevice('auto');
  const milliseconds = await tryDevice(device);
  whenReaderLeaves(() => {});
  return await runServer(values, async (listening) => {
    const certificate = values['tls-cert'];
    const server = await serverAddress(listening, certificate);
    const file = resolve(values.data, inviteFile);
    const invite = await ownRoom(file, server, certificate);
    const crypto = `${device.name}, tested: ${milliseconds.toFixed(1)} ms there and back`;
    const words = [
      '--invite-file',
      file,
      ...(certificate === undefined ? [] : ['--ca-file', resolve(certificate)]),
    ];
    const http = listening.http.map((at) => `${certificate === undefined ? 'http' : 'https'}://${at}`);
    const shown = {
      servers: [...listening.tcp, ...http],
      data: values.data,
      crypto,
      link: formatInvite(invite),
      web: webOf(listening, values, invite),
      words,
    };
    await writeOut(describe(shown, styleFor(process.stdout)));
  });
}

/** Where the server of this process is reached; with TLS by a name that is in its certificate. */
async function serverAddress(listening: Listening, certificate: string | undefined): Promise<ServerAddress> {
  const [address] = listening.tcp;
  if (address === undefined)
    throw new CommandError('"skytale start" needs --listen; "skytale serve" does without.');
  const bound = parseServerAddress(address, certificate === undefined ? 'tcp' : 'tls');
  const isEverywhere = bound.host === '0.0.0.0' || bound.host === '::';
  // The first address that is not only for this machine, since the invite is for others too.
  const host = isEverywhere ? (outerAddress() ?? '127.0.0.1') : bound.host;
  if (certificate === undefined) return { ...bound, host };
  const hosts = isEverywhere || isLoopback(host) ? [host, 'localhost', '127.0.0.1'] : [host];
  return { ...bound, host: await hostInCertificate(certificate, [...new Set(hosts)]) };
}

type Web = { readonly link: string; readonly advice: string };

/** The link for browsers, and what is to be known before it is passed on. */
function webOf({ tcp, http, hasPage }: Listening, values: ServerValues, invite: Invite): Web | undefined {
  const [address] = http;
  if (address === undefined || !hasPage) return undefined;
  const isTls = values['tls-cert'] !== undefined;
  const bound = parseServerAddress(`${isTls ? 'wss' : 'ws'}://${address}`);
  const isEverywhere = bound.host === '0.0.0.0' || bound.host === '::';
  // With a certificate by the name that is in it; without one a browser trusts this machine alone.
  const host = isTls ? invite.server.host : isEverywhere ? '127.0.0.1' : bound.host;
  const own = formatOrigin({ ...bound, host })!;
  const origin = values['public-url'] || own;
  const link = formatWebInvite(invite, origin);
  if (values['public-url'] !== '' && isSecureOrigin(origin)) return { link, advice: '' };
  const isForOthers = [...tcp, ...http].some((at) => !isLoopback(parseServerAddress(at).host));
  if (isTls || (!isForOthers && isSecureOrigin(origin))) return { link, advice: '' };
  const elsewhere = `Browsers on other machines refuse this page, because it comes without TLS: they give it no encryption. Before you
  pass on a web link, give the server a certificate (--tls-cert, --tls-key), or put a proxy with HTTPS before it and say
  --public-url https://NAME. Terminals need neither: "skytale chat" takes the invite.`;
  return { link, advice: elsewhere };
}

const isLoopback = (host: string): boolean => host === '::1' || host.startsWith('127.');

/** The room of the data directory, which is made where there is none. The file always has the present address. */
async function ownRoom(
  file: string,
  server: ServerAddress,
  certificate: string | undefined,
): Promise<Invite> {
  const before = existsSync(file) ? await readInvite(file) : undefined;
  // At each start: a server forgets a room in which nobody speaks (--empty-room-days), and its owner may delete it.
  const invite = await createRoom({
    crypto: nodeCrypto(),
    server,
    ...(before !== undefined && { invite: before }),
    ...(certificate !== undefined && { ca: readFileSync(certificate, 'utf8') }),
  });
  writeFileSync(`${file}.new`, `${formatInvite(invite)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
  return invite;
}

async function readInvite(file: string): Promise<Invite> {
  try {
    return await parseInvite(nodeCrypto(), readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new CommandError(`${file} is damaged. Delete it; the next start makes a new room.`, 1, { cause });
  }
}

/**
 * In the repository, and wherever else npm has installed it for a project, the shell finds it by npx only: with
 * `--no-install`, since in another directory npx would ask a registry for a package of this name and run it.
 */
const commandName = (): string =>
  existsSync(join(process.cwd(), 'node_modules/.bin/skytale')) ? 'npx --no-install skytale' : 'skytale';

type Shown = {
  readonly servers: readonly string[];
  readonly data: string;
  readonly crypto: string;
  readonly link: string;
  readonly web: Web | undefined;
  /** Of the command that enters the room. */
  readonly words: readonly string[];
};

function describe({ servers, data, crypto, link, web, words }: Shown, style: Style): string {
  const rows = [
    ['Server', servers.join(', ')],
    ['Data', data],
    ['Crypto', crypto],
    ['Invite', style('cyan', link)],
  ];
  const command = `${commandName()} chat ${words.map(shellWord).join(' ')} --name alice`;
  const browser =
    web === undefined
      ? ''
      : `
${web.advice === '' ? '' : `  ${style('yellow', web.advice)}\n\n`}  Open in a browser: ${style('cyan', web.link)}
`;
  return `${browser}
${table(rows.map(([name = '', value = '']) => [style('bold', name), value]))}

  To talk in terminals, type this in a second one (and in a third, with another name):

  ${style('bold', command)}

  Whoever has the invite can read and write in the room. Send it over a channel that you trust; on another machine
  "skytale chat --invite-file -" asks for it. Ctrl-C ends the server; the room stays.

`;
}
