/** The bytes of an envelope (docs/protocol.md, "Envelope"); integers are big-endian. */
import { concat, u64, utf8 } from './bytes.ts';
import { MAX_CONTENT_BYTES } from './content.ts';
import { EPOCH_BYTES } from './key-schedule.ts';
import { MessageError } from './message-error.ts';
import { MIN_PADDED, paddedLength } from './padding.ts';
import { type Bytes, SIGNATURE_BYTES } from './primitives.ts';

export const ENVELOPE_VERSION = 1;
export const CHAIN_HASH_BYTES = 32;
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

/** An envelope's parts, as views of it. */
export type Envelope = Header & {
  /** Version, flags and the fields of `Header`. */
  readonly header: Uint8Array;
  /** With the tag behind it. */
  readonly ciphertext: Uint8Array;
  readonly signature: Uint8Array;
};

export function encodeHeader({ epoch, seen }: Header): Bytes {
  return concat(new Uint8Array([ENVELOPE_VERSION, 0]), epoch, u64(seen.seq), seen.hash);
}

/**
 * Takes an envelope apart. Nothing of it is trusted yet.
 * @throws {MessageError} MALFORMED, UNSUPPORTED_VERSION
 */
export function parseEnvelope(bytes: Uint8Array): Envelope {
  const version = bytes[0];
  if (version === undefined) throw new MessageError('MALFORMED', 'it is empty');
  if (version !== ENVELOPE_VERSION) {
    throw new MessageError(
      'UNSUPPORTED_VERSION',
      `it is sealed in version ${version}; update skytale to read it`,
    );
  }
  if (bytes.length < MIN_ENVELOPE || bytes.length > MAX_ENVELOPE) {
    throw new MessageError('MALFORMED', `it has ${bytes.length} bytes`);
  }
  if (bytes[1] !== 0) throw new MessageError('MALFORMED', `its flags are ${bytes[1]}`);
  const seq = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(SEEN_SEQ_AT);
  if (seq > BigInt(Number.MAX_SAFE_INTEGER)) throw new MessageError('MALFORMED', 'a number is 2^53 or more');
  return {
    header: bytes.subarray(0, HEADER_BYTES),
    epoch: bytes.subarray(EPOCH_AT, SEEN_SEQ_AT),
    seen: { seq: Number(seq), hash: bytes.subarray(SEEN_HASH_AT, HEADER_BYTES) },
    ciphertext: bytes.subarray(HEADER_BYTES, bytes.length - SIGNATURE_BYTES),
    signature: bytes.subarray(bytes.length - SIGNATURE_BYTES),
  };
}

/**
 * What the tag authenticates besides the ciphertext: where the message belongs. All fields have fixed lengths, so
 * no two messages have the same. What is signed is this and then the ciphertext.
 */
export function associatedData(roomId: Uint8Array, member: Uint8Array, n: number, header: Uint8Array): Bytes {
  return concat(MESSAGE_LABEL, roomId, member, u64(n), header);
}
