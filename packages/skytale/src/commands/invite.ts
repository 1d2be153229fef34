/** `skytale invite`: makes a room on a server and prints the link. */
import { createRoom, formatInvite, nodeCrypto, parseServerAddress, type ServerAddress } from '@skytale/chat';
import { caOf } from '../certificates.ts';
import { CommandError, UsageError } from '../command-error.ts';
import { askHidden, readPassphrase } from '../passphrase.ts';
import { escapeJson } from '../safe-text.ts';
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
    (await readPassphrase('New passphrase of the room: ', file)) ?? (await firstLineOfInput());
  const isTyped = file === undefined && process.env.SKYTALE_PASSPHRASE === undefined && process.stdin.isTTY;
  if (isTyped && (await askHidden('The same again: ')) !== passphrase) {
    throw new CommandError('The two passphrases are not the same. Nothing was made; try again.');
  }
  return passphrase;
}

async function firstLineOfInput(): Promise<string> {
  const chunks: Buffer[] = await Array.fromAsync(process.stdin);
  const line = Buffer.concat(chunks).toString().split(/\r?\n/, 1)[0];
  if (!line) throw new CommandError('No passphrase came on standard input.');
  return line;
}
