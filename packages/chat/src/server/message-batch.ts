import type { Batch } from '../log/message-log.ts';
import {
  DELIVER_OVERHEAD,
  encodeFrame,
  FrameType,
  LENGTH_BYTES,
  writeU32,
  writeU64,
} from '../protocol/frames.ts';

/** Whoever published a message; identity is all that matters here. */
export interface Sender {
  readonly member: string;
  readonly memberBytes: Uint8Array;
}

/** A message that was accepted and is not yet in the log. */
export interface PendingMessage<S extends Sender> {
  readonly sender: S;
  readonly n: number;
  readonly envelope: Uint8Array;
}

/** Length of a DELIVER on the wire without its envelope, and of an ACK. */
const DELIVER_BYTES = LENGTH_BYTES + DELIVER_OVERHEAD;
const ACK_BYTES = LENGTH_BYTES + 25;
// Where the fields of a DELIVER begin, its length counted.
const SEQ_AT = 5;
const TIME_AT = 13;
const MEMBER_AT = 21;
const N_AT = 53;

/** Bytes that a message takes in a batch. */
export function deliverBytes(envelope: Uint8Array): number {
  return DELIVER_BYTES + envelope.length;
}

/**
 * Consecutive messages of one room, encoded once: these bytes are stored, are sent to every client, and are
 * read back for those who catch up.
 */
export class MessageBatch<S extends Sender> {
  readonly first: number;
  readonly last: number;
  readonly time: number;
  readonly frames: Uint8Array;
  /** Who sent each message, and where its frame begins. */
  readonly #senders: readonly S[];
  readonly #offsets: readonly number[];
  readonly #members: ReadonlyMap<S, number>;

  /** @param messages at least one; they get the numbers from `first` on */
  constructor(first: number, time: number, messages: readonly PendingMessage<S>[]) {
    this.first = first;
    this.last = first + messages.length - 1;
    this.time = time;
    this.frames = new Uint8Array(messages.reduce((sum, { envelope }) => sum + deliverBytes(envelope), 0));
    const offsets: number[] = [];
    const members = new Map<S, number>();
    let at = 0;
    for (const { sender, n, envelope } of messages) {
      offsets.push(at);
      members.set(sender, n);
      at = this.#write(at, first + offsets.length - 1, sender, n, envelope);
    }
    this.#senders = messages.map(({ sender }) => sender);
    this.#offsets = offsets;
    this.#members = members;
  }

  #write(at: number, seq: number, sender: S, n: number, envelope: Uint8Array): number {
    const { frames } = this;
    writeU32(frames, at, DELIVER_OVERHEAD + envelope.length);
    frames[at + LENGTH_BYTES] = FrameType.deliver;
    writeU64(frames, at + SEQ_AT, seq);
    writeU64(frames, at + TIME_AT, this.time);
    frames.set(sender.memberBytes, at + MEMBER_AT);
    writeU64(frames, at + N_AT, n);
    frames.set(envelope, at + DELIVER_BYTES);
    return at + DELIVER_BYTES + envelope.length;
  }

  /** Everyone who has a message in it, with the largest n of each. */
  get senders(): ReadonlyMap<S, number> {
    return this.#members;
  }

  /** What the log is to store. */
  forLog(room: string): Batch {
    const { first, last, time, frames } = this;
    const lastNs = new Map([...this.#members].map(([{ member }, lastN]) => [member, lastN]));
    return {
      room,
      first,
      last,
      time,
      frames,
      members: [...lastNs].map(([member, lastN]) => ({ member, lastN })),
    };
  }

  /** The frames from number `from` on, as `client` gets them: with an ACK for each message of its own. */
  framesFor(client: S, from: number): Uint8Array {
    const start = from - this.first;
    if (!this.#members.has(client)) {
      return start === 0 ? this.frames : this.frames.subarray(this.#offsets[start]!);
    }
    return this.#withAcks(client, start);
  }

  #withAcks(client: S, start: number): Uint8Array {
    const { frames } = this;
    const result = new Uint8Array(this.#lengthWithAcks(client, start));
    let at = 0;
    /** Begin of the run of others' frames that is not yet copied. */
    let run = this.#offsets[start]!;
    for (let index = start; index < this.#offsets.length; index += 1) {
      if (this.#senders[index] !== client) continue;
      const offset = this.#offsets[index]!;
      result.set(frames.subarray(run, offset), at);
      at += offset - run;
      run = this.#end(index);
      writeAck(result, at, frames, offset);
      at += ACK_BYTES;
    }
    result.set(frames.subarray(run), at);
    return result;
  }

  #lengthWithAcks(client: S, start: number): number {
    let length = this.frames.length - this.#offsets[start]!;
    for (let index = start; index < this.#offsets.length; index += 1) {
      if (this.#senders[index] === client) length += ACK_BYTES - (this.#end(index) - this.#offsets[index]!);
    }
    return length;
  }

  #end(index: number): number {
    return this.#offsets[index + 1] ?? this.frames.length;
  }
}

const ackTemplate = encodeFrame({ type: 'ack', n: 1, seq: 0, time: 0 });

/** Writes the ACK of the DELIVER that begins at `offset` of `frames`. */
function writeAck(target: Uint8Array, at: number, frames: Uint8Array, offset: number): void {
  target.set(ackTemplate.subarray(0, SEQ_AT), at);
  target.set(frames.subarray(offset + N_AT, offset + N_AT + 8), at + SEQ_AT);
  // seq and time stand side by side in both
  target.set(frames.subarray(offset + SEQ_AT, offset + SEQ_AT + 16), at + SEQ_AT + 8);
}
