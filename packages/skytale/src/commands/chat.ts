/** `skytale chat`: enters the room of an invite, on a terminal or in a pipe. */
import {
  ChatClient,
  formatServerAddress,
  MAX_TEXT_BYTES,
  nodeCrypto,
  openInvite,
  parseInvite,
} from '@skytale/chat';
import { caOf } from '../certificates.ts';
import { openDevice } from '../crypto.ts';
import { pipeChat } from '../pipe/pipe-chat.ts';
import { readInvite, readPassphrase } from '../secrets.ts';
import type { Values } from '../settings.ts';
import { styleFor } from '../style.ts';
import { TerminalChat } from '../terminal/terminal-chat.ts';

type Settings = Values<
  | ('name' | 'crypto' | 'since' | 'history' | 'follow' | 'format' | 'state' | 'timeout')
  | ('invite-file' | 'passphrase-file' | 'ca-file')
>;

/** Of the messages of earlier runs, how many a terminal shows above what is new. */
const recentMessages = 50;

/** Of the messages that are kept, their records in bytes at most. */
const keptBytes = 256 * 1024 * 1024;

export async function chat(settings: Settings, argument?: string): Promise<number> {
  const link = await readInvite(argument, settings['invite-file']);
  const crypto = nodeCrypto();
  const invite = await parseInvite(crypto, link);
  const passphrase =
    invite.secret.kind === 'passphrase'
      ? await readPassphrase('Passphrase of the room: ', settings['passphrase-file'])
      : undefined;
  const keys = await openInvite(crypto, invite, passphrase);
  const onTerminal = process.stdin.isTTY && process.stdout.isTTY;
  await using device = await openDevice(settings.crypto);
  await using client = await ChatClient.open({
    server: invite.server,
    keys,
    device,
    name: settings.name,
    stateDirectory: settings.state,
    autoConfirm: false,
    recent: onTerminal ? recentMessages : 0,
    keep: { messages: settings.history, bytes: keptBytes },
    ...caOf(settings),
    ...(settings.since !== undefined && { since: settings.since }),
  });
  const room = Buffer.from(invite.roomId).toString('base64url');
  if (onTerminal) {
    const terminal = new TerminalChat({
      client,
      style: styleFor(process.stdout),
      longest: MAX_TEXT_BYTES,
      greeting: [
        `Room ${room} at ${formatServerAddress(invite.server)}, end-to-end encrypted by ${device.name}.`,
        'Enter sends, /help explains, /quit leaves.',
      ],
    });
    return await terminal.run();
  }
  return await pipeChat({
    client,
    room,
    stateDirectory: settings.state,
    format: settings.format,
    follow: settings.follow,
    timeout: settings.timeout,
    longest: MAX_TEXT_BYTES,
  });
}
