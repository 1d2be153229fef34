/**
 * Invites: everything that one needs to enter a room, in one link.
 *
 *     skytale://HOST:PORT/ROOM#SECRET
 *     https://HOST/r/ROOM#SECRET          the same for a browser
 *
 * ROOM is the room's public id; SECRET stands in the fragment, which no program sends to a server. The id commits to
 * the secret, so a link that lost or changed a character is recognized here, without asking anybody.
 */
import { type Bytes, concat, equalBytes, fromBase64url, toBase64url, utf8 } from '../bytes.ts';
import type { ChatCrypto } from '../crypto.ts';
import { InviteError } from './invite-error.ts';
import { ROOM_ID_BYTES, ROOM_SECRET_BYTES, RoomKeys } from './key-schedule.ts';
import { checkNewPassphrase, SALT_BYTES, stretchPassphrase } from './passphrase.ts';
import {
  formatHost,
  formatOrigin,
  isWebSocket,
  parseHost,
  parseOrigin,
  parsePath,
  type ServerAddress,
  type Transport,
} from './server-address.ts';

export type Invite = {
  readonly server: ServerAddress;
  /** 16 bytes. */
  readonly roomId: Bytes;
  readonly secret: InviteSecret;
};

/** The room secret itself, or the salt that makes it of a passphrase. */
export type InviteSecret =
  | { readonly kind: 'random'; readonly secret: Bytes }
  | {
      readonly kind: 'passphrase';
      readonly salt: Bytes;
      /** What tells a damaged link from a wrong passphrase: 4 bytes of a hash of room and salt. */
      readonly check: Bytes;
    };

const schemes = {
  skytale: 'tcp',
  skytales: 'tls',
  'skytale+ws': 'ws',
  'skytale+wss': 'wss',
} as const satisfies Record<string, Transport>;

/** What stands before the room in a link for browsers; a server's WebSocket is at the usual path of the same host. */
const WEB_PATH = '/r';

const SALT_CHECK_BYTES = 4;
const SALT_CHECK_LABEL = utf8('skytale salt 1');
/** A little more than any valid link has. */
const MAX_LINK = 2048;

/**
 * Makes the secrets of a new room; `createRoom` tells the server of it.
 * @param passphrase without one the link alone is enough to enter
 * @throws {InviteError} INVITE_PASSPHRASE_TOO_SHORT
 */
export async function createInvite(
  crypto: ChatCrypto,
  server: ServerAddress,
  passphrase?: string,
): Promise<{ invite: Invite; keys: RoomKeys }> {
  if (passphrase === undefined) {
    const secret = crypto.randomBytes(ROOM_SECRET_BYTES);
    const keys = await RoomKeys.derive(crypto, secret);
    return { invite: { server, roomId: keys.roomId, secret: { kind: 'random', secret } }, keys };
  }
  checkNewPassphrase(passphrase);
  const salt = crypto.randomBytes(SALT_BYTES);
  const keys = await keysOfPassphrase(crypto, passphrase, salt);
  const check = await saltCheck(crypto, keys.roomId, salt);
  return { invite: { server, roomId: keys.roomId, secret: { kind: 'passphrase', salt, check } }, keys };
}

/** The link of an invite. */
export function formatInvite(invite: Invite): string {
  const { server } = invite;
  const scheme = Object.entries(schemes).find(([, transport]) => transport === server.transport)![0];
  return `${scheme}://${formatHost(server)}${server.path}/${roomAndSecret(invite)}`;
}

/**
 * The same for a browser.
 * @param origin of the page, like `https://chat.example.org`; the server's own, unless told
 * @returns `undefined` if no browser gets there: by TCP, or by a WebSocket that is not at the usual path
 */
export function formatWebInvite(invite: Invite, origin: string): string;
export function formatWebInvite(invite: Invite, origin?: string): string | undefined;
export function formatWebInvite(invite: Invite, origin = formatOrigin(invite.server)): string | undefined {
  return origin && `${origin}${WEB_PATH}/${roomAndSecret(invite)}`;
}

/**
 * Reads a link and checks that nothing of its room and secret was lost or changed; white space around it is ignored.
 * @throws {InviteError} INVITE_NOT_AN_INVITE, INVITE_CUT_SHORT, INVITE_CHANGED, INVITE_NEWER_VERSION, INVITE_BAD_ADDRESS
 */
export async function parseInvite(crypto: ChatCrypto, text: string): Promise<Invite> {
  const { server, room, fragment } = splitLink(text.trim());
  if (room === '' || fragment === undefined || fragment === '') throw cutShort();
  const roomId = decodePart(room, ROOM_ID_BYTES);
  const [, tag, payload = ''] = /^(?:([^.]*)\.)?(.*)$/s.exec(fragment) ?? [];
  if (tag === undefined) return { server, roomId, secret: await readSecret(crypto, payload, roomId) };
  if (tag === 'p') return { server, roomId, secret: await readSalt(crypto, payload, roomId) };
  throw new InviteError(
    'INVITE_NEWER_VERSION',
    'This invite was made by a newer version of skytale, or was changed. Update skytale, or copy the invite again.',
  );
}

/**
 * The keys that an invite gives. The caller disposes them (a `ChatClient` does).
 * @throws {InviteError} INVITE_PASSPHRASE_NEEDED, INVITE_WRONG_PASSPHRASE; both found out here, without the server
 */
export async function openInvite(crypto: ChatCrypto, invite: Invite, passphrase?: string): Promise<RoomKeys> {
  const secret = await inviteSecret(crypto, invite, passphrase);
  return await RoomKeys.derive(crypto, secret).finally(() => secret.fill(0));
}

/**
 * The room secret that an invite gives, for those who keep it: `RoomKeys.derive` makes the keys of it. The caller wipes it.
 * @throws {InviteError} as `openInvite`
 */
export async function inviteSecret(
  crypto: ChatCrypto,
  { roomId, secret }: Invite,
  passphrase?: string,
): Promise<Bytes> {
  if (secret.kind === 'random') return secret.secret.slice();
  if (passphrase === undefined) {
    throw new InviteError('INVITE_PASSPHRASE_NEEDED', 'This room has a passphrase, and none was given.');
  }
  const stretched = await stretchPassphrase(crypto, passphrase, secret.salt);
  using keys = await RoomKeys.derive(crypto, stretched);
  if (equalBytes(keys.roomId, roomId)) return stretched;
  stretched.fill(0);
  throw new InviteError('INVITE_WRONG_PASSPHRASE', 'Wrong passphrase.');
}

async function keysOfPassphrase(crypto: ChatCrypto, passphrase: string, salt: Uint8Array): Promise<RoomKeys> {
  const secret = await stretchPassphrase(crypto, passphrase, salt);
  return await RoomKeys.derive(crypto, secret).finally(() => secret.fill(0));
}

function roomAndSecret({ roomId, secret }: Invite): string {
  const fragment =
    secret.kind === 'random'
      ? toBase64url(secret.secret)
      : `p.${toBase64url(concat(secret.salt, secret.check))}`;
  return `${toBase64url(roomId)}#${fragment}`;
}

type Link = { readonly server: ServerAddress; readonly room: string; readonly fragment: string | undefined };

function splitLink(text: string): Link {
  const parts = /^([a-z+]+):\/\/([^/?#]*)(?:(\/[^?#]*)?\/([^/?#]*))?(?:#(.*))?$/s.exec(text);
  const [, scheme = '', authority = '', path = '', room = '', fragment] = parts ?? [];
  if (parts === null || text.length > MAX_LINK) throw notAnInvite();
  if (scheme === 'http' || scheme === 'https') {
    if (path === '' && `/${room}` === WEB_PATH && fragment === undefined) throw cutShort();
    if (path !== WEB_PATH) throw notAnInvite();
    return { server: parseOrigin(scheme, authority), room, fragment };
  }
  if (!Object.hasOwn(schemes, scheme)) throw notAnInvite();
  const transport = schemes[scheme as keyof typeof schemes];
  if (path !== '' && !isWebSocket({ transport })) throw changed();
  return { server: { transport, ...parseHost(authority), path: parsePath(path) }, room, fragment };
}

async function readSecret(crypto: ChatCrypto, payload: string, roomId: Uint8Array): Promise<InviteSecret> {
  const secret = decodePart(payload, ROOM_SECRET_BYTES);
  using keys = await RoomKeys.derive(crypto, secret);
  if (!equalBytes(keys.roomId, roomId)) throw changed();
  return { kind: 'random', secret };
}

async function readSalt(crypto: ChatCrypto, payload: string, roomId: Uint8Array): Promise<InviteSecret> {
  const bytes = decodePart(payload, SALT_BYTES + SALT_CHECK_BYTES);
  const salt = bytes.slice(0, SALT_BYTES);
  const check = bytes.slice(SALT_BYTES);
  if (!equalBytes(check, await saltCheck(crypto, roomId, salt))) throw changed();
  return { kind: 'passphrase', salt, check };
}

async function saltCheck(crypto: ChatCrypto, roomId: Uint8Array, salt: Uint8Array): Promise<Bytes> {
  const hash = await crypto.sha256(concat(SALT_CHECK_LABEL, roomId, salt));
  return hash.slice(0, SALT_CHECK_BYTES);
}

function decodePart(text: string, length: number): Bytes {
  const bytes = fromBase64url(text, length);
  if (bytes !== undefined) return bytes;
  throw text.length < Math.ceil((length * 8) / 6) ? cutShort() : changed();
}

function notAnInvite(): InviteError {
  return new InviteError(
    'INVITE_NOT_AN_INVITE',
    'This is not an invite. One looks like skytale://chat.example.org:7000/ROOM#SECRET or https://chat.example.org/r/ROOM#SECRET (in quotes on a command line).',
  );
}

function cutShort(): InviteError {
  return new InviteError('INVITE_CUT_SHORT', 'This invite was cut short. Copy it again, all of it.');
}

function changed(): InviteError {
  return new InviteError(
    'INVITE_CHANGED',
    'This invite was changed on its way: its room and its secret do not belong together. Copy it again.',
  );
}
