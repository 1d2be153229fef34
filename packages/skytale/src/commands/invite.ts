/** `skytale invite`: makes a room on a server and prints the link. */
import {
  createRoom,
  formatInvite,
  formatWebInvite,
  nodeCrypto,
  parseServerAddress,
  type ServerAddress,
} from '@skytale/chat';
import { renderUnicodeCompact } from 'uqr';
import { caOf } from '../certificates.ts';
import { CommandError, UsageError } from '../command-error.ts';
import { escapeJson } from '../safe-text.ts';
import { askHidden, firstLine, readPassphrase } from '../secrets.ts';
import type { Values } from '../settings.ts';
import { writeOut } from '../stdio.ts';

type Settings = Values<'server' | 'passphrase' | 'passphrase-file' | 'ca-file' | 'json' | 'public-url'>;

export async function invite(settings: Settings): Promise<number> {
  const server = serverAddress(settings.server);
  const passphrase = await newPassphrase(settings);
  const room = await createRoom({
    crypto: nodeCrypto(),
    server,
    ...caOf(settings),
    ...(passphrase !== undefined && { passphrase }),
  });
  const web = formatWebInvite(room, settings['public-url'] || undefined);
  const links = { invite: formatInvite(room), web: web ?? null };
  if (settings.json) await writeOut(`${escapeJson(links)}\n`);
  else await writeOut(inWords(links, process.stdout.isTTY));
  return 0;
}

type Links = { readonly invite: string; readonly web: string | null };

/** The invite in the first line, where --invite-file looks for it; then what browsers take. On a terminal a phone can read that too. */
function inWords({ invite: link, web }: Links, isTerminal: boolean): string {
  const lines = web === null ? `${link}\n` : `${link}\n${web}\n`;
  if (!isTerminal) return lines;
  const code = renderUnicodeCompact(web ?? link, { border: 2 });
  const advice =
    web === null
      ? '\n--public-url https://NAME, or --server ws://HOST:PORT, gives a link for browsers too.\n'
      : '';
  return `${lines}\n${code}\n${advice}`;
}

function serverAddress(text: string): ServerAddress {
  try {
    return text.startsWith('tls://') ? parseServerAddress(text.slice(6), 'tls') : parseServerAddress(text);
  } catch (error) {
    throw new UsageError(`--server: ${(error as Error).message}`, { cause: error });
  }
}

async function newPassphrase(settings: Settings): Promise<string | undefined> {
  const file = settings['passphrase-file'];
  if (!settings.passphrase && file === undefined) return undefined;
  const passphrase =
    (await readPassphrase('New passphrase of the room: ', file)) ?? (await passphraseOfInput());
  const given = file ?? process.env.SKYTALE_PASSPHRASE;
  const isTyped = process.stdin.isTTY && (given === undefined || file === '-');
  if (isTyped && (await askHidden('The same again: ')) !== passphrase) {
    throw new CommandError('The two passphrases are not the same. Nothing was made; try again.');
  }
  return passphrase;
}

async function passphraseOfInput(): Promise<string> {
  const line = await firstLine(process.stdin);
  if (line === '') throw new UsageError('No passphrase came on standard input.');
  return line;
}
