import { createHash, createPublicKey, randomBytes, verify } from 'node:crypto';
import { ProtocolError } from '../protocol/protocol-error.ts';
import { createStatement, joinStatement, roomIdPreimage } from '../protocol/signed.ts';

/** What stands before the 32 bytes of an Ed25519 public key in its SubjectPublicKeyInfo (RFC 8410, section 4). */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

interface Credentials {
  readonly accessKey: Uint8Array;
  readonly accessSignature: Uint8Array;
}

interface MemberCredentials extends Credentials {
  readonly member: Uint8Array;
  readonly memberSignature: Uint8Array;
}

/** 32 fresh random bytes for a WELCOME. */
export function newChallenge(): Uint8Array {
  return randomBytes(32);
}

/** The id of the room that an access public key belongs to. */
export function roomIdOf(accessKey: Uint8Array): Buffer {
  return createHash('sha256').update(roomIdPreimage(accessKey)).digest().subarray(0, 16);
}

/**
 * Checks the signature of a CREATE.
 * @returns the room id. Rejects with ProtocolError ACCESS_DENIED
 */
export async function checkCreate(challenge: Uint8Array, frame: Credentials): Promise<Buffer> {
  const room = roomIdOf(frame.accessKey);
  await check('room', createStatement(challenge, room), frame.accessKey, frame.accessSignature);
  return room;
}

/**
 * Checks both signatures of a JOIN.
 * @returns the room id. Rejects with ProtocolError ACCESS_DENIED
 */
export async function checkJoin(challenge: Uint8Array, frame: MemberCredentials): Promise<Buffer> {
  const room = roomIdOf(frame.accessKey);
  const statement = joinStatement(challenge, room, frame.member);
  await check('room', statement, frame.accessKey, frame.accessSignature);
  await check('member', statement, frame.member, frame.memberSignature);
  return room;
}

async function check(
  whose: string,
  statement: Uint8Array,
  publicKey: Uint8Array,
  signature: Uint8Array,
): Promise<void> {
  if (!(await isSigned(statement, publicKey, signature))) {
    throw new ProtocolError('ACCESS_DENIED', `The signature with the ${whose}'s key is not valid.`);
  }
}

/** Ed25519 in the thread pool: many who join at once do not hold up those who talk. */
function isSigned(statement: Uint8Array, publicKey: Uint8Array, signature: Uint8Array): Promise<boolean> {
  const key = createPublicKey({
    key: Buffer.concat([SPKI_PREFIX, publicKey]),
    format: 'der',
    type: 'spki',
  });
  return new Promise((resolve, reject) => {
    verify(null, statement, key, signature, (error, valid) => (error ? reject(error) : resolve(valid)));
  });
}
