import {
  createHash,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto';
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

/** The keys of a room, by its number: every process that is given the same seed enters the same rooms. */
function roomKeys(seed: string): KeyPair & { readonly id: Buffer } {
  const keys = keyPairOf(createHash('sha256').update(seed).digest());
  return {
    ...keys,
    id: createHash('sha256').update(roomIdPreimage(keys.publicKey)).digest().subarray(0, 16),
  };
}

function keyPairOf(seed: Buffer): KeyPair {
  const privateKey = createPrivateKey({ key: seed, format: 'raw-private', asymmetricKeyType: 'ed25519' });
  const publicKey = createPublicKey(privateKey).export({ format: 'jwk' }).x!;
  return { privateKey, publicKey: Buffer.from(publicKey, 'base64url') };
}
const publication = Buffer.from(
  encodeFrame({ type: 'publish', n: 1, envelope: Buffer.alloc(PAYLOAD_BYTES, 'x') }),
);
const N_AT = 5;
const MEMBER_AT = 21;
const CHALLENGE_AT = 17;
const WELCOME_BYTES = 49;

/** The frames that enter a room; it is created by whoever comes first. */
function entry(challenge: Uint8Array, access: ReturnType<typeof roomKeys>, member: KeyPair): Buffer {
  const signed = (key: KeyObject, statement: Uint8Array) => sign(null, statement, key);
  const statement = joinStatement(challenge, access.id, member.publicKey);
  const create = encodeFrame({
    type: 'create',
    version: PROTOCOL_VERSION,
    accessKey: access.publicKey,
    accessSignature: signed(access.privateKey, createStatement(challenge, access.id)),
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

/** Where the first frame of this type ends; -1 if it has not come. */
function endOf(wanted: number, received: Buffer): number {
  let at = 0;
  while (at + 5 <= received.length) {
    const type = received[at + 4];
    at += 4 + received.readUInt32BE(at);
    if (type === FrameType.error) throw new Error(`the server refuses: ${received.subarray(7).toString()}`);
    if (type === wanted) return at <= received.length ? at : -1;
  }
  return -1;
}

/** Whether the frame at `at` acknowledges a message of this connection. */
export const isAck = (bytes: Buffer, at: number): boolean => bytes[at + 4] === FrameType.ack;

export const isLive = (bytes: Buffer, at: number): boolean => bytes[at + 4] === FrameType.live;

/** The wire of one room; those with the same seed share it. */
export const skytaleWire = (seed: string): Wire => ({
  async open(address, { readAll } = { readAll: true }) {
    const member = keyPairOf(randomBytes(32));
    const access = roomKeys(seed);
    let entered = false;
    const opened = await greet(address, (received, socket) => {
      if (received.length < WELCOME_BYTES) return -1;
      if (!entered) socket.write(entry(received.subarray(CHALLENGE_AT, WELCOME_BYTES), access, member));
      entered = true;
      return endOf(readAll ? FrameType.live : FrameType.joined, received);
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
  lengthBytes: 5,
  headerBytes: MEMBER_AT + 4,
  frameBytes: (bytes, at) => 4 + bytes.readUInt32BE(at),
  // A sender that fell behind gets its own messages from the log; they are not deliveries to others.
  isMessage: (bytes, at, self) =>
    bytes[at + 4] === FrameType.deliver && bytes.readUInt32BE(at + MEMBER_AT) !== self,
  payloadAt: 61,
});
