import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import {
  createStatement,
  encodeFrame,
  FrameType,
  joinStatement,
  PROTOCOL_VERSION,
  roomIdPreimage,
} from '../../packages/chat/src/protocol/index.ts';
import { greet, PAYLOAD_BYTES, type Wire } from './wire.ts';

type KeyPair = { privateKey: KeyObject; publicKey: Buffer };

const newKeyPair = (): KeyPair => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  return { privateKey, publicKey: Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url') };
};

const access = newKeyPair();
const room = createHash('sha256').update(roomIdPreimage(access.publicKey)).digest().subarray(0, 16);
const publication = Buffer.from(
  encodeFrame({ type: 'publish', n: 1, envelope: Buffer.alloc(PAYLOAD_BYTES, 'x') }),
);
const N_AT = 5;
const MEMBER_AT = 21;
const CHALLENGE_AT = 17;
const WELCOME_BYTES = 49;

/** The frames that enter the room; it is created by whoever comes first. */
function entry(challenge: Uint8Array, member: KeyPair): Buffer {
  const signed = (key: KeyObject, statement: Uint8Array) => sign(null, statement, key);
  const statement = joinStatement(challenge, room, member.publicKey);
  const create = encodeFrame({
    type: 'create',
    version: PROTOCOL_VERSION,
    accessKey: access.publicKey,
    accessSignature: signed(access.privateKey, createStatement(challenge, room)),
  });
  const join = encodeFrame({
    type: 'join',
    version: PROTOCOL_VERSION,
    accessKey: access.publicKey,
    accessSignature: signed(access.privateKey, statement),
    member: member.publicKey,
    memberSignature: signed(member.privateKey, statement),
    since: 0,
  });
  return Buffer.concat([create, join]);
}

/** Where the LIVE frame ends; -1 if it has not come. */
function endOfLive(received: Buffer): number {
  let at = 0;
  while (at + 5 <= received.length) {
    const type = received[at + 4];
    at += 4 + received.readUInt32BE(at);
    if (type === FrameType.error) throw new Error(`the server refuses: ${received.subarray(7).toString()}`);
    if (type === FrameType.live) return at;
  }
  return -1;
}

export const skytaleWire: Wire = {
  async open(address) {
    const member = newKeyPair();
    let entered = false;
    const opened = await greet(address, (received, socket) => {
      if (received.length < WELCOME_BYTES) return -1;
      if (!entered) socket.write(entry(received.subarray(CHALLENGE_AT, WELCOME_BYTES), member));
      entered = true;
      return endOfLive(received);
    });
    return { ...opened, self: member.publicKey.readUInt32BE() };
  },
  encode(sender, count, stamp) {
    const bytes = Buffer.allocUnsafe(count * publication.length);
    for (let at = 0; at < bytes.length; at += publication.length) {
      publication.copy(bytes, at);
      sender.sent += 1;
      bytes.writeUInt32BE(sender.sent, at + N_AT + 4);
      bytes.writeDoubleBE(stamp, at + N_AT + 8);
    }
    return bytes;
  },
  headerBytes: MEMBER_AT + 4,
  frameBytes: (bytes, at) => 4 + bytes.readUInt32BE(at),
  // A sender that fell behind gets its own messages from the log; they are not deliveries to others.
  isMessage: (bytes, at, self) =>
    bytes[at + 4] === FrameType.deliver && bytes.readUInt32BE(at + MEMBER_AT) !== self,
  payloadAt: 61,
};
