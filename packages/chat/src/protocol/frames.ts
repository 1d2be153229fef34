/**
 * The frames of the wire protocol and their bytes (docs/protocol.md). A frame is a u32 length of what
 * follows, a u8 type and a body of fixed layout; integers are big-endian. Runs in Node and in browsers.
 */
import { ProtocolError } from './protocol-error.ts';

/** The version that CREATE and JOIN name. */
export const PROTOCOL_VERSION = 1;
/** The highest that this program knows: what it adds, a connection has only if its JOIN names it. */
export const HIGHEST_VERSION = 2;
/** Of the names of capabilities in a JOIN or JOINED, and of one name in ASCII characters. */
export const MAX_CAPABILITIES = 16;
export const MAX_CAPABILITY_LENGTH = 24;
/** Capabilities that this program knows (docs/protocol.md). */
export const CAPABILITY_WINDOW = 'window';
export const CAPABILITY_EXPECT = 'expect';
/** With `window`: what the server may send behind its JOINED before it has read a WINDOW, in bytes. */
export const FIRST_WINDOW = 1024 * 1024;
/** The kind of room in which whoever proves to hold the room's secret may enter. Version 2 names it in CREATE and JOIN. */
export const SHARED_KEY_KIND = 1;
/** "SKYT", the first bytes of a WELCOME. */
export const WELCOME_MAGIC = 0x534b5954;
/** What comes before a frame's type: its length. */
export const LENGTH_BYTES = 4;
/** Longest frame (type and body) unless a WELCOME says otherwise, in bytes. */
export const DEFAULT_MAX_FRAME = 256 * 1024;
/** No server may announce less, so that every frame of fixed size always fits. */
export const MIN_MAX_FRAME = 1024;
/** No server may announce more, so that a client knows what it may have to buffer. */
export const MAX_MAX_FRAME = 16 * 1024 * 1024;
/**
 * Longest frame that a client may send before it has joined, in bytes (type and body): a JOIN with as many capabilities
 * as there may be, each with the longest name.
 */
export const LONGEST_OPENING_FRAME = 1 + 203 + 1 + MAX_CAPABILITIES * (1 + MAX_CAPABILITY_LENGTH);
/** Type and fields of a DELIVER, in bytes; what is left of a frame is the room for an envelope. */
export const DELIVER_OVERHEAD = 57;
/** Longest text of an ERROR, in bytes of UTF-8. */
export const MAX_ERROR_TEXT = 512;

/** Longest envelope that fits into a DELIVER, and so the longest that may be published, in bytes. */
export function maxEnvelope(maxFrame: number): number {
  return maxFrame - DELIVER_OVERHEAD;
}

export const FrameType = {
  welcome: 1,
  create: 2,
  created: 3,
  join: 4,
  joined: 5,
  publish: 6,
  ack: 7,
  deliver: 8,
  live: 9,
  presence: 10,
  present: 11,
  ping: 12,
  pong: 13,
  drain: 14,
  error: 15,
  damaged: 16,
  count: 17,
  window: 18,
  publishAt: 19,
  moved: 20,
} as const;

/**
 * A frame. Byte fields of a decoded frame are views of what was received, valid as long as they are held.
 * All u64 fields are at most 2^53 - 1, so they are numbers. Times are Unix times in milliseconds.
 *
 * What is optional came with version 2, and is there in all of such a connection.
 */
export type Frame =
  | { type: 'welcome'; lowest: number; highest: number; maxFrame: number; challenge: Uint8Array }
  | { type: 'create'; version: number; accessKey: Uint8Array; accessSignature: Uint8Array }
  | { type: 'created'; room: Uint8Array }
  | {
      type: 'join';
      version: number;
      accessKey: Uint8Array;
      accessSignature: Uint8Array;
      member: Uint8Array;
      memberSignature: Uint8Array;
      since: number;
      /** What the client can do besides; in a JOIN of version 2 or more, and only there. */
      capabilities?: readonly string[];
    }
  | {
      type: 'joined';
      room: Uint8Array;
      head: number;
      first: number;
      lastN: number;
      /** SHA-256 of the envelope that is stored as `lastN`; zeros if there is none. With `capabilities` or not at all. */
      lastHash?: Uint8Array;
      /** Those of the client's that this connection has. */
      capabilities?: readonly string[];
    }
  | { type: 'publish'; n: number; envelope: Uint8Array }
  | {
      type: 'ack';
      n: number;
      seq: number;
      time: number;
      /** SHA-256 of the envelope that is stored as `n`; zeros in a "had it before" whose hash is not at hand. */
      hash?: Uint8Array;
    }
  | { type: 'deliver'; seq: number; time: number; member: Uint8Array; n: number; envelope: Uint8Array }
  | { type: 'live'; seq: number }
  | { type: 'presence'; present: boolean; member: Uint8Array }
  | { type: 'present'; start: boolean; members: Uint8Array[] }
  | { type: 'ping'; token: number }
  | { type: 'pong'; token: number }
  | {
      type: 'drain';
      /** Within how many milliseconds the server's clients should come back, each at a random time. */
      spread?: number;
    }
  | { type: 'error'; code: number; text: string }
  /** Instead of DELIVERs: the server still has these places, and what stands there is damaged. */
  | { type: 'damaged'; first: number; last: number }
  /** Members that are connected; in rooms in which not all of them are named. */
  | { type: 'count'; members: number }
  /** The server may send so many bytes behind its JOINED; a frame may be cut there. */
  | { type: 'window'; limit: number }
  /** A PUBLISH for the place behind `head` or none. */
  | { type: 'publish_at'; head: number; n: number; envelope: Uint8Array }
  /** The answer if that is not free: nothing of it is stored. `head`: the room's end now. */
  | { type: 'moved'; n: number; head: number };

/** Of SHA-256. */
export const HASH_BYTES = 32;
const nothing: Uint8Array = new Uint8Array(0);
const utf8 = new TextEncoder();
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * The bytes of a frame, its length first.
 * @throws {RangeError} if a field does not have its size or does not fit; that is the caller's mistake
 */
export function encodeFrame(frame: Frame): Uint8Array {
  switch (frame.type) {
    case 'welcome':
      return new FrameWriter(FrameType.welcome, 44)
        .u32(WELCOME_MAGIC)
        .u16(frame.lowest)
        .u16(frame.highest)
        .u32(frame.maxFrame)
        .bytes(frame.challenge, 32)
        .done();
    case 'create':
      return new FrameWriter(FrameType.create, 98 + kindBytes(frame))
        .u16(frame.version)
        .optionalByte(SHARED_KEY_KIND, kindBytes(frame) > 0)
        .bytes(frame.accessKey, 32)
        .bytes(frame.accessSignature, 64)
        .done();
    case 'created':
      return new FrameWriter(FrameType.created, 16).bytes(frame.room, 16).done();
    case 'join': {
      if (frame.version >= 2 !== (frame.capabilities !== undefined)) {
        throw new RangeError('capabilities belong to version 2 and later');
      }
      const capabilities = encodeCapabilities(frame.capabilities);
      return new FrameWriter(FrameType.join, 202 + kindBytes(frame) + capabilities.length)
        .u16(frame.version)
        .optionalByte(SHARED_KEY_KIND, kindBytes(frame) > 0)
        .bytes(frame.accessKey, 32)
        .bytes(frame.accessSignature, 64)
        .bytes(frame.member, 32)
        .bytes(frame.memberSignature, 64)
        .u64(frame.since)
        .bytes(capabilities, capabilities.length)
        .done();
    }
    case 'joined': {
      if ((frame.lastHash === undefined) !== (frame.capabilities === undefined)) {
        throw new RangeError('a JOINED has both a hash and capabilities, or neither');
      }
      const capabilities = encodeCapabilities(frame.capabilities);
      const { length } = frame.lastHash === undefined ? nothing : frame.lastHash;
      return new FrameWriter(FrameType.joined, 40 + length + capabilities.length)
        .bytes(frame.room, 16)
        .u64(frame.head)
        .u64(frame.first)
        .u64(frame.lastN)
        .optional(frame.lastHash, HASH_BYTES)
        .bytes(capabilities, capabilities.length)
        .done();
    }
    case 'publish':
      return new FrameWriter(FrameType.publish, 8 + frame.envelope.length)
        .u64(frame.n)
        .bytes(frame.envelope, frame.envelope.length)
        .done();
    case 'ack':
      return new FrameWriter(FrameType.ack, 24 + (frame.hash?.length ?? 0))
        .u64(frame.n)
        .u64(frame.seq)
        .u64(frame.time)
        .optional(frame.hash, HASH_BYTES)
        .done();
    case 'deliver':
      return new FrameWriter(FrameType.deliver, DELIVER_OVERHEAD - 1 + frame.envelope.length)
        .u64(frame.seq)
        .u64(frame.time)
        .bytes(frame.member, 32)
        .u64(frame.n)
        .bytes(frame.envelope, frame.envelope.length)
        .done();
    case 'live':
      return new FrameWriter(FrameType.live, 8).u64(frame.seq).done();
    case 'presence':
      return new FrameWriter(FrameType.presence, 33).flag(frame.present).bytes(frame.member, 32).done();
    case 'present': {
      const writer = new FrameWriter(FrameType.present, 1 + 32 * frame.members.length).flag(frame.start);
      for (const member of frame.members) writer.bytes(member, 32);
      return writer.done();
    }
    case 'ping':
      return new FrameWriter(FrameType.ping, 8).u64(frame.token).done();
    case 'pong':
      return new FrameWriter(FrameType.pong, 8).u64(frame.token).done();
    case 'drain':
      return frame.spread === undefined
        ? new FrameWriter(FrameType.drain, 0).done()
        : new FrameWriter(FrameType.drain, 4).u32(frame.spread).done();
    case 'error': {
      const text = utf8.encode(frame.text);
      if (text.length > MAX_ERROR_TEXT) throw new RangeError(`error text of ${text.length} bytes`);
      return new FrameWriter(FrameType.error, 2 + text.length)
        .u16(frame.code)
        .bytes(text, text.length)
        .done();
    }
    case 'damaged':
      return new FrameWriter(FrameType.damaged, 16).u64(frame.first).u64(frame.last).done();
    case 'count':
      return new FrameWriter(FrameType.count, 4).u32(frame.members).done();
    case 'window':
      return new FrameWriter(FrameType.window, 8).u64(frame.limit).done();
    case 'publish_at':
      return new FrameWriter(FrameType.publishAt, 16 + frame.envelope.length)
        .u64(frame.head)
        .u64(frame.n)
        .bytes(frame.envelope, frame.envelope.length)
        .done();
    case 'moved':
      return new FrameWriter(FrameType.moved, 16).u64(frame.n).u64(frame.head).done();
  }
}

/** Version 1 has rooms of one kind, and does not name it. */
function kindBytes({ version }: { readonly version: number }): number {
  return version >= 2 ? 1 : 0;
}

const capabilityName = /^[a-z0-9][a-z0-9.-]{0,23}$/;

/** `u8` count, and for each `u8` length and ASCII; nothing at all where there is no list. */
function encodeCapabilities(names: readonly string[] | undefined): Uint8Array {
  if (names === undefined) return nothing;
  if (names.length > MAX_CAPABILITIES) throw new RangeError(`${names.length} capabilities`);
  const bytes: number[] = [names.length];
  for (const name of names) {
    if (!capabilityName.test(name))
      throw new RangeError(`${JSON.stringify(name)} is no name of a capability`);
    bytes.push(name.length, ...utf8.encode(name));
  }
  return new Uint8Array(bytes);
}

/**
 * Reads the frame `bytes[start, end)`, its length left out: type and body.
 * @throws {ProtocolError} MALFORMED_FRAME if it is not exactly one frame of a known type
 */
export function parseFrame(bytes: Uint8Array, start = 0, end = bytes.length): Frame {
  const reader = new FrameReader(bytes, start, end);
  const frame = readFrame(reader);
  reader.finish();
  return frame;
}

function readFrame(reader: FrameReader): Frame {
  const type = reader.u8();
  switch (type) {
    case FrameType.publish:
      return { type: 'publish', n: reader.positive(), envelope: reader.rest(1) };
    case FrameType.deliver:
      return {
        type: 'deliver',
        seq: reader.positive(),
        time: reader.u64(),
        member: reader.bytes(32),
        n: reader.positive(),
        envelope: reader.rest(1),
      };
    case FrameType.ack:
      return {
        type: 'ack',
        n: reader.positive(),
        seq: reader.u64(),
        time: reader.u64(),
        ...(!reader.atEnd && { hash: reader.bytes(HASH_BYTES) }),
      };
    case FrameType.welcome:
      return readWelcome(reader);
    case FrameType.create:
      return {
        type: 'create',
        version: readVersion(reader),
        accessKey: reader.bytes(32),
        accessSignature: reader.bytes(64),
      };
    case FrameType.created:
      return { type: 'created', room: reader.bytes(16) };
    case FrameType.join:
      return readJoin(reader);
    case FrameType.joined:
      return {
        type: 'joined',
        room: reader.bytes(16),
        head: reader.u64(),
        first: reader.positive(),
        lastN: reader.u64(),
        ...(!reader.atEnd && { lastHash: reader.bytes(HASH_BYTES), capabilities: reader.capabilities() }),
      };
    case FrameType.live:
      return { type: 'live', seq: reader.u64() };
    case FrameType.presence:
      return { type: 'presence', present: reader.flag(), member: reader.bytes(32) };
    case FrameType.present:
      return { type: 'present', start: reader.flag(), members: reader.list(32) };
    case FrameType.ping:
      return { type: 'ping', token: reader.u64() };
    case FrameType.pong:
      return { type: 'pong', token: reader.u64() };
    case FrameType.drain:
      return { type: 'drain', ...(!reader.atEnd && { spread: reader.u32() }) };
    case FrameType.error:
      return { type: 'error', code: reader.u16(), text: reader.text(MAX_ERROR_TEXT) };
    case FrameType.damaged:
      return readDamaged(reader);
    case FrameType.count:
      return { type: 'count', members: reader.u32() };
    case FrameType.window:
      return { type: 'window', limit: reader.u64() };
    case FrameType.publishAt:
      return { type: 'publish_at', head: reader.u64(), n: reader.positive(), envelope: reader.rest(1) };
    case FrameType.moved:
      return { type: 'moved', n: reader.positive(), head: reader.u64() };
    default:
      throw new ProtocolError('MALFORMED_FRAME', `There is no frame type ${type}.`);
  }
}

/**
 * A version, and the kind of room behind it, if the version names one. What stands behind that is the kind's affair.
 * @throws {ProtocolError} UNSUPPORTED_KIND
 */
function readVersion(reader: FrameReader): number {
  const version = reader.u16();
  const kind = version >= 2 ? reader.u8() : SHARED_KEY_KIND;
  if (kind === SHARED_KEY_KIND) return version;
  throw new ProtocolError('UNSUPPORTED_KIND', `Rooms of the kind ${kind} are not known here.`);
}

function readJoin(reader: FrameReader): Frame {
  const version = readVersion(reader);
  return {
    type: 'join',
    version,
    accessKey: reader.bytes(32),
    accessSignature: reader.bytes(64),
    member: reader.bytes(32),
    memberSignature: reader.bytes(64),
    since: reader.u64(),
    ...(version >= 2 && { capabilities: reader.capabilities() }),
  };
}

function readDamaged(reader: FrameReader): Frame {
  const first = reader.positive();
  const last = reader.positive();
  if (last < first) throw new ProtocolError('MALFORMED_FRAME', `Places ${first} to ${last} are no range.`);
  return { type: 'damaged', first, last };
}

function readWelcome(reader: FrameReader): Frame {
  const magic = reader.u32();
  if (magic !== WELCOME_MAGIC) {
    throw new ProtocolError('MALFORMED_FRAME', `This is no skytale server: magic 0x${magic.toString(16)}.`);
  }
  const lowest = reader.u16();
  const highest = reader.u16();
  const maxFrame = reader.u32();
  if (lowest > highest) {
    throw new ProtocolError('MALFORMED_FRAME', `Versions from ${lowest} to ${highest} are no range.`);
  }
  if (maxFrame < MIN_MAX_FRAME || maxFrame > MAX_MAX_FRAME) {
    throw new ProtocolError('MALFORMED_FRAME', `A maximum frame of ${maxFrame} bytes is not allowed.`);
  }
  return { type: 'welcome', lowest, highest, maxFrame, challenge: reader.bytes(32) };
}

/** Writes one frame into memory of its exact size. */
class FrameWriter {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = LENGTH_BYTES + 1;

  constructor(type: number, bodyLength: number) {
    this.#bytes = new Uint8Array(LENGTH_BYTES + 1 + bodyLength);
    this.#view = new DataView(this.#bytes.buffer);
    this.#view.setUint32(0, 1 + bodyLength);
    this.#bytes[LENGTH_BYTES] = type;
  }

  flag(value: boolean): this {
    return this.optionalByte(value ? 1 : 0, true);
  }

  optionalByte(value: number, there: boolean): this {
    if (!there) return this;
    this.#bytes[this.#at] = value;
    this.#at += 1;
    return this;
  }

  u16(value: number): this {
    if (!(Number.isInteger(value) && value >= 0 && value <= 0xffff))
      throw new RangeError(`${value} is no u16`);
    this.#view.setUint16(this.#at, value);
    this.#at += 2;
    return this;
  }

  u32(value: number): this {
    if (!(Number.isInteger(value) && value >= 0 && value <= 0xffffffff)) {
      throw new RangeError(`${value} is no u32`);
    }
    this.#view.setUint32(this.#at, value);
    this.#at += 4;
    return this;
  }

  u64(value: number): this {
    if (!(Number.isSafeInteger(value) && value >= 0)) throw new RangeError(`${value} is no u64 below 2^53`);
    writeU64(this.#bytes, this.#at, value);
    this.#at += 8;
    return this;
  }

  bytes(value: Uint8Array, length: number): this {
    if (value.length !== length) throw new RangeError(`${value.length} bytes where ${length} belong`);
    this.#bytes.set(value, this.#at);
    this.#at += length;
    return this;
  }

  /** A field of later versions, which may not be there. */
  optional(value: Uint8Array | undefined, length: number): this {
    return value === undefined ? this : this.bytes(value, length);
  }

  done(): Uint8Array {
    return this.#bytes;
  }
}

/** Reads the fields of one frame; every read is checked against the frame's end. */
class FrameReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  readonly #start: number;
  #at: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#start = start;
    this.#at = start;
    this.#end = end;
  }

  u8(): number {
    return this.#bytes[this.#take(1)]!;
  }

  u16(): number {
    const at = this.#take(2);
    return (this.#bytes[at]! << 8) | this.#bytes[at + 1]!;
  }

  u32(): number {
    return readU32(this.#bytes, this.#take(4));
  }

  u64(): number {
    const at = this.#take(8);
    const high = readU32(this.#bytes, at);
    if (high > 0x1fffff) {
      throw new ProtocolError(
        'MALFORMED_FRAME',
        `A 64-bit field of frame type ${this.#type} is 2^53 or more.`,
      );
    }
    return high * 0x1_0000_0000 + readU32(this.#bytes, at + 4);
  }

  /** A u64 that counts from 1. */
  positive(): number {
    const value = this.u64();
    if (value === 0) {
      throw new ProtocolError(
        'MALFORMED_FRAME',
        `A number of frame type ${this.#type} is 0; they begin at 1.`,
      );
    }
    return value;
  }

  flag(): boolean {
    const value = this.u8();
    if (value > 1) throw new ProtocolError('MALFORMED_FRAME', `A flag is ${value}, neither 0 nor 1.`);
    return value === 1;
  }

  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** What is left, which must be `least` bytes or more. */
  rest(least: number): Uint8Array {
    return this.bytes(Math.max(least, this.#end - this.#at));
  }

  get atEnd(): boolean {
    return this.#at === this.#end;
  }

  /** Names that this version does not know are given too: who sent them may be newer. */
  capabilities(): string[] {
    const count = this.u8();
    if (count > MAX_CAPABILITIES) {
      throw new ProtocolError(
        'MALFORMED_FRAME',
        `There are ${count} capabilities, more than ${MAX_CAPABILITIES}.`,
      );
    }
    return Array.from({ length: count }, () => {
      const name = String.fromCharCode(...this.bytes(this.u8()));
      if (capabilityName.test(name)) return name;
      throw new ProtocolError('MALFORMED_FRAME', 'The name of a capability is not in its form.');
    });
  }

  /** What is left, as items of `size` bytes. */
  list(size: number): Uint8Array[] {
    const items: Uint8Array[] = [];
    while (this.#at < this.#end) items.push(this.bytes(size));
    return items;
  }

  text(most: number): string {
    const bytes = this.rest(0);
    if (bytes.length > most) {
      throw new ProtocolError('MALFORMED_FRAME', `A text has ${bytes.length} bytes, more than ${most}.`);
    }
    try {
      return strictUtf8.decode(bytes);
    } catch (cause) {
      throw new ProtocolError('MALFORMED_FRAME', 'A text is not UTF-8.', { cause });
    }
  }

  finish(): void {
    if (this.#at !== this.#end) {
      throw new ProtocolError(
        'MALFORMED_FRAME',
        `Frame type ${this.#type} has ${this.#end - this.#at} bytes too many.`,
      );
    }
  }

  get #type(): number {
    return this.#bytes[this.#start]!;
  }

  #take(length: number): number {
    const at = this.#at;
    if (length > this.#end - at) {
      const what = at === this.#start ? 'A frame is empty' : `Frame type ${this.#type} ends too early`;
      throw new ProtocolError(
        'MALFORMED_FRAME',
        `${what}: ${length} bytes needed, ${this.#end - at} are left.`,
      );
    }
    this.#at = at + length;
    return at;
  }
}

/** The big-endian u32 at `at`, which the caller knows to be inside. */
export function readU32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

/** Writes `value`, an integer from 0 to 2^32 - 1, big-endian. */
export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** Writes `value`, an integer from 0 to 2^53 - 1, as a big-endian u64. */
export function writeU64(bytes: Uint8Array, at: number, value: number): void {
  writeU32(bytes, at, Math.floor(value / 0x1_0000_0000));
  writeU32(bytes, at + 4, value >>> 0);
}
