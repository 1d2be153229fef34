/** `skytale invite`: makes a room on a server and prints the link. */
import { createRoom, formatInvite, nodeCrypto, parseServerAddress, type ServerAddress } from '@skytale/chat';
import { caOf } from '../certificates.ts';
import { CommandError, UsageError } from '../command-error.ts';
import { escapeJson } from '../safe-text.ts';
import { askHidden, firstLine, readPassphrase } from '../secrets.ts';
import type { Values } from '../settings.ts';
import { writeOut } from '../stdio.ts';

type Settings = Values<'server' | 'passphrase' | 'passphrase-file' | 'ca-file' | 'json'>;

export async function invite(settings: Settings): Promise<number> {
  const server = serverAddress(settings.server);
  const passphrase = await newPassphrase(settings);
  const room = await createRoom({
    crypto: nodeCrypto(),
    server,
    ...caOf(settings),
    ...(passphrase !== undefined && { passphrase }),
  });
  const link = formatInvite(room);
  await writeOut(settings.json ? `${escapeJson({ invite: link })}\n` : `${link}\n`);
  return 0;
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
