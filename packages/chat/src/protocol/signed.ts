/** What the signatures of CREATE and JOIN, and the room id, are made of (docs/protocol.md, "Who may enter"). */
import { concat, utf8 } from '../bytes.ts';

const CREATE_LABEL = utf8('skytale create 1');
const JOIN_LABEL = utf8('skytale join 1');
const ROOM_LABEL = utf8('skytale room 1');

/** Signed with the access key to create a room: label, challenge of the WELCOME (32), room id (16). */
export function createStatement(challenge: Uint8Array, room: Uint8Array): Uint8Array {
  return concat(CREATE_LABEL, challenge, room);
}

/** Signed with the access key, and with the member's key, to join: label, challenge, room id, member (32). */
export function joinStatement(challenge: Uint8Array, room: Uint8Array, member: Uint8Array): Uint8Array {
  return concat(JOIN_LABEL, challenge, room, member);
}

/** A room's id is the first 16 bytes of the SHA-256 of this: label, access public key (32). */
export function roomIdPreimage(accessKey: Uint8Array): Uint8Array {
  return concat(ROOM_LABEL, accessKey);
}
