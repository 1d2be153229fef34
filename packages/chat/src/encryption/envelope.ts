/** The bytes of an envelope (docs/protocol.md, "Envelope"); integers are big-endian. */
import { type Bytes, concat, u64, utf8 } from '../bytes.ts';
import { HASH_BYTES, SIGNATURE_BYTES } from '../crypto.ts';
import { MAX_CONTENT_BYTES } from './content.ts';
import { EPOCH_BYTES } from './key-schedule.ts';
import { MessageError } from './message-error.ts';
import { MIN_PADDED, paddedLength } from './padding.ts';

export const ENVELOPE_VERSION = 1;
export const CHAIN_HASH_BYTES = HASH_BYTES;
export const TAG_BYTES = 16;

const EPOCH_AT = 2;
const SEEN_SEQ_AT = EPOCH_AT + EPOCH_BYTES;
const SEEN_HASH_AT = SEEN_SEQ_AT + 8;
export const HEADER_BYTES = SEEN_HASH_AT + CHAIN_HASH_BYTES;
const OVERHEAD = HEADER_BYTES + TAG_BYTES + SIGNATURE_BYTES;
const MIN_ENVELOPE = OVERHEAD + MIN_PADDED;
/** The longest that this version makes or takes. */
export const MAX_ENVELOPE = OVERHEAD + paddedLength(MAX_CONTENT_BYTES);

const MESSAGE_LABEL = utf8('skytale message 1');

/** How far its sender had read the room: a sequence number, and the chain's hash there. */
export type ChainPosition = { readonly seq: number; readonly hash: Uint8Array };

export type Header = { readonly epoch: Uint8Array; readonly seen: ChainPosition };

/** What an envelope of any version is: the signature at its end is the same in all. Views of it. */
export type SignedEnvelope = {
  readonly version: number;
  /** All that stands before the signature. */
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
};

/** The parts of an envelope of this version, as views of it. */
export type Envelope = Header & {
  /** Version, flags and the fields of `Header`. */
  readonly header: Uint8Array;
  /** With the tag behind it. */
  readonly ciphertext: Uint8Array;
};

export function encodeHeader({ epoch, seen }: Header): Bytes {
  return concat(new Uint8Array([ENVELOPE_VERSION, 0]), epoch, u64(seen.seq), seen.hash);
}

/**
 * Takes the signature off an envelope of any version.
 * @throws {MessageError} MALFORMED
 */
export function splitEnvelope(bytes: Uint8Array): SignedEnvelope {
  const end = bytes.length - SIGNATURE_BYTES;
  if (end < 1) throw new MessageError('MALFORMED', `it has ${bytes.length} bytes`);
  const version = bytes[0]!;
  if (version === 0) throw new MessageError('MALFORMED', 'its version is 0');
  return { version, signed: bytes.subarray(0, end), signature: bytes.subarray(end) };
}

/**
 * Takes an envelope of this version apart. Nothing of it is trusted yet.
 * @throws {MessageError} MALFORMED
 */
export function parseEnvelope({ signed }: SignedEnvelope): Envelope {
  const length = signed.length + SIGNATURE_BYTES;
  if (length < MIN_ENVELOPE || length > MAX_ENVELOPE) {
    throw new MessageError('MALFORMED', `it has ${length} bytes`);
  }
  if (signed[1] !== 0) throw new MessageError('MALFORMED', `its flags are ${signed[1]}`);
  const seq = new DataView(signed.buffer, signed.byteOffset).getBigUint64(SEEN_SEQ_AT);
  if (seq > BigInt(Number.MAX_SAFE_INTEGER)) throw new MessageError('MALFORMED', 'a number is 2^53 or more');
  return {
    header: signed.subarray(0, HEADER_BYTES),
    epoch: signed.subarray(EPOCH_AT, SEEN_SEQ_AT),
    seen: { seq: Number(seq), hash: signed.subarray(SEEN_HASH_AT, HEADER_BYTES) },
    ciphertext: signed.subarray(HEADER_BYTES),
  };
}

/**
 * Says of bytes of an envelope, from its first on, where they belong. All fields have fixed lengths, so no two messages have the
 * same. Of the header it is what the tag authenticates besides the ciphertext, of all before the signature what is signed.
 */
export function bind(roomId: Uint8Array, member: Uint8Array, n: number, bytes: Uint8Array): Bytes {
  return concat(MESSAGE_LABEL, roomId, member, u64(n), bytes);
}
