import { createHash } from 'node:crypto';
import { ProtocolError } from '../protocol/protocol-error.ts';
import { createStatement, joinStatement, roomIdPreimage } from '../protocol/signed.ts';
import type { Verify } from './machine-crypto.ts';

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
  verify: Verify,
  challenge: Uint8Array,
  frame: Credentials,
): Promise<Buffer> {
  const room = roomIdOf(frame.accessKey);
  await check(verify, 'room', createStatement(challenge, room), frame.accessKey, frame.accessSignature);
  return room;
}

/**
 * Checks both signatures of a JOIN.
 * @returns the room id. Rejects with ProtocolError ACCESS_DENIED
 */
export async function checkJoin(
  verify: Verify,
  challenge: Uint8Array,
  frame: MemberCredentials,
): Promise<Buffer> {
  const room = roomIdOf(frame.accessKey);
  const statement = joinStatement(challenge, room, frame.member);
  await check(verify, 'room', statement, frame.accessKey, frame.accessSignature);
  await check(verify, 'member', statement, frame.member, frame.memberSignature);
  return room;
}

async function check(
  verify: Verify,
  whose: string,
  statement: Uint8Array,
  publicKey: Uint8Array,
  signature: Uint8Array,
): Promise<void> {
  if (!(await verify(statement, publicKey, signature))) {
    throw new ProtocolError('ACCESS_DENIED', `The signature with the ${whose}'s key is not valid.`);
  }
}
