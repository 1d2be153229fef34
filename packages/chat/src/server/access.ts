import { createHash } from 'node:crypto';
import type { ChatCrypto } from '../crypto.ts';
import { ProtocolError } from '../protocol/protocol-error.ts';
import { createStatement, joinStatement, roomIdPreimage } from '../protocol/signed.ts';

/** What a server does itself: challenges, and the signatures over them. Never anything with a room's secret. */
export type ServerCrypto = Pick<ChatCrypto, 'randomBytes' | 'verify'>;

interface Credentials {
  readonly accessKey: Uint8Array;
  readonly accessSignature: Uint8Array;
}

interface MemberCredentials extends Credentials {
  readonly member: Uint8Array;
  readonly memberSignature: Uint8Array;
}

/** The id of the room that an access public key belongs to. */
export function roomIdOf(accessKey: Uint8Array): Buffer {
  return createHash('sha256').update(roomIdPreimage(accessKey)).digest().subarray(0, 16);
}

/**
 * Checks the signature of a CREATE.
 * @returns the room id. Rejects with ProtocolError ACCESS_DENIED
 */
export async function checkCreate(
  crypto: ServerCrypto,
  challenge: Uint8Array,
  frame: Credentials,
): Promise<Buffer> {
  const room = roomIdOf(frame.accessKey);
  await check(crypto, 'room', createStatement(challenge, room), frame.accessKey, frame.accessSignature);
  return room;
}

/**
 * Checks both signatures of a JOIN.
 * @returns the room id. Rejects with ProtocolError ACCESS_DENIED
 */
export async function checkJoin(
  crypto: ServerCrypto,
  challenge: Uint8Array,
  frame: MemberCredentials,
): Promise<Buffer> {
  const room = roomIdOf(frame.accessKey);
  const statement = joinStatement(challenge, room, frame.member);
  await check(crypto, 'room', statement, frame.accessKey, frame.accessSignature);
  await check(crypto, 'member', statement, frame.member, frame.memberSignature);
  return room;
}

async function check(
  crypto: ServerCrypto,
  whose: string,
  statement: Uint8Array,
  publicKey: Uint8Array,
  signature: Uint8Array,
): Promise<void> {
  if (!(await crypto.verify(publicKey, statement, signature))) {
    throw new ProtocolError('ACCESS_DENIED', `The signature with the ${whose}'s key is not valid.`);
  }
}
