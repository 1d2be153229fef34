import { equalBytes } from '../bytes.ts';
import type { ChatCrypto } from '../crypto.ts';
import { createInvite, type Invite, openInvite } from '../encryption/invite.ts';
import type { RoomAccess } from '../encryption/room-access.ts';
import type { ServerAddress } from '../encryption/server-address.ts';
import { ChatError } from './chat-error.ts';
import { defaultTuning } from './client-tuning.ts';
import { Connection } from './connection.ts';
import type { ClientEnvironment } from './environment.ts';

export type CreateRoomOptions = {
  readonly server: ServerAddress;
  readonly crypto: ChatCrypto;
  /** Of a room that there was: it is made again, for those who have been invited. A server that has it leaves it as it is. */
  readonly invite?: Invite;
  /** With it the room needs the passphrase besides the link. */
  readonly passphrase?: string;
  /** Longest wait for each answer, in milliseconds; 10,000 unless told. */
  readonly timeout?: number;
  readonly signal?: AbortSignal;
};

/**
 * Makes a room at a server, a new one unless told.
 * @throws {InviteError} INVITE_PASSPHRASE_TOO_SHORT, and those of `openInvite`
 * @throws {ChatError} CHAT_UNREACHABLE, CHAT_TOO_MANY_ROOMS, CHAT_UNAVAILABLE, CHAT_HUNG_UP, CHAT_PROTOCOL_VIOLATION, …
 */
export async function createRoom(
  options: CreateRoomOptions,
  environment: Pick<ClientEnvironment, 'clock' | 'dial'>,
): Promise<Invite> {
  const { server, crypto, passphrase, signal = new AbortController().signal } = options;
  const { timeout = defaultTuning.connectTimeout } = options;
  const { invite, keys } =
    options.invite === undefined
      ? await createInvite(crypto, server, passphrase)
      : {
          invite: { ...options.invite, server },
          keys: await openInvite(crypto, options.invite, passphrase),
        };
  using _ = keys;
  const times = { connectTimeout: timeout, idleTimeout: timeout };
  const connection = await Connection.open({ server, environment, signal, ...times });
  try {
    await announce(connection, keys.access);
  } finally {
    connection.close();
  }
  return invite;
}

/** Makes a room known. @throws {ChatError} as `createRoom` */
export async function announce(connection: Connection, access: RoomAccess): Promise<void> {
  const answer = await connection.ask({
    type: 'create',
    version: connection.version,
    ...(await access.create(connection.challenge)),
  });
  if (answer.type !== 'created')
    throw connection.violation(`it answered CREATE with ${answer.type.toUpperCase()}`);
  if (!equalBytes(answer.room, access.roomId)) {
    throw new ChatError('CHAT_WRONG_ROOM', 'The server created another room than the one asked for.');
  }
}
