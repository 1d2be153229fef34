import { hash } from 'node:crypto';
import type { Batch, LastMessage } from '../log/message-log.ts';
import {
  DELIVER_OVERHEAD,
  encodeFrame,
  FrameType,
  HASH_BYTES,
  LENGTH_BYTES,
  readU32,
  writeU32,
  writeU64,
} from '../protocol/frames.ts';

/** Whoever published a message on one connection; identity is all that matters here. */
export interface Sender {
  readonly member: string;
  readonly memberBytes: Uint8Array;
  /** Whether its ACKs say the hash of what was stored (version 2). */
  readonly wantsHashes: boolean;
}

/** Where frames go. */
export interface Outlet {
  /** The bytes are not copied, and must not be changed. */
  send(bytes: Uint8Array): void;
}

/** A batch is at most this long unless a single message is longer; it is the unit that is stored. */
export const BATCH_BYTES = 256 * 1024;
/** Memory of a batch that has just been begun; it doubles as messages come. */
const FIRST_BYTES = 1024;
/** Length of a DELIVER on the wire without its envelope, and of an ACK. */
const DELIVER_BYTES = LENGTH_BYTES + DELIVER_OVERHEAD;
const ACK_BYTES = LENGTH_BYTES + 25;
// Where the fields of a DELIVER begin, its length counted.
const SEQ_AT = 5;
const TIME_AT = 13;
const MEMBER_AT = 21;
const N_AT = 53;

/** What a batch keeps for a message besides its frame: where it begins, who sent it, its place among its sender's. */
const MESSAGE_OVERHEAD = 32;
/** And for itself, and for each sender. */
const BATCH_OVERHEAD = 1024;
const SENDER_OVERHEAD = 192;

/** A sender of up to this many runs of messages of a batch is given views of it with ACKs between, of more a copy. */
const MAX_RUNS = 16;

/** Bytes that a message takes in a batch. */
export function deliverBytes(envelope: Uint8Array): number {
  return DELIVER_BYTES + envelope.length;
}

/**
 * Messages that wait to be stored, already encoded: what a message costs while it waits is what is counted for it,
 * and nothing of the piece that it was received in is kept. Their places are filled in when they are sealed.
 */
export class OpenBatch<S extends Sender> {
  #memory: Uint8Array;
  #length = 0;
  readonly #senders: S[] = [];
  readonly #offsets: number[] = [];

  /** @param memory taken over, and used again from its begin */
  constructor(memory: Uint8Array = new Uint8Array(FIRST_BYTES)) {
    this.#memory = memory;
  }

  /** Bytes of what was added. */
  get length(): number {
    return this.#length;
  }

  /** Whether there is room for one more that takes `bytes`. */
  takes(bytes: number): boolean {
    return this.#length === 0 || this.#length + bytes <= BATCH_BYTES;
  }

  /** Takes a message. The envelope is copied. */
  add(sender: S, n: number, envelope: Uint8Array): void {
    const at = this.#length;
    this.#grow(at + deliverBytes(envelope));
    const memory = this.#memory;
    writeU32(memory, at, DELIVER_OVERHEAD + envelope.length);
    memory[at + LENGTH_BYTES] = FrameType.deliver;
    memory.set(sender.memberBytes, at + MEMBER_AT);
    writeU64(memory, at + N_AT, n);
    memory.set(envelope, at + DELIVER_BYTES);
    this.#senders.push(sender);
    this.#offsets.push(at);
    this.#length = at + deliverBytes(envelope);
  }

  /**
   * Ends it: its messages have the places from `first` on.
   * @returns the batch, in memory of its own
   */
  seal(first: number, time: number): MessageBatch<S> {
    return new MessageBatch(first, time, this.#memory.slice(0, this.#length), this.#senders, this.#offsets);
  }

  /** Who sent what was added; one for each message. */
  get senders(): readonly S[] {
    return this.#senders;
  }

  /** What another batch may be begun with, after this one was sealed. */
  get memory(): Uint8Array {
    return this.#memory;
  }

  #grow(length: number): void {
    if (length <= this.#memory.length) return;
    const larger = new Uint8Array(Math.max(length, Math.min(BATCH_BYTES, 2 * this.#memory.length)));
    larger.set(this.#memory.subarray(0, this.#length));
    this.#memory = larger;
  }
}

/**
 * Consecutive messages of one room, encoded once: these bytes are stored, are sent to every client, and are
 * read back for those who catch up.
 *
 * Cost, for m messages of s senders: O(m) to make; O(1) for a client that sent none of them, and for one
 * that sent k of them O(k) for the ACKs, in a buffer for each run of messages that follow each other; or a copy of the batch if there
 * are many runs. Copies are dear: what they take in all makes V8 collect garbage.
 */
export class MessageBatch<S extends Sender> {
  readonly first: number;
  readonly last: number;
  readonly time: number;
  readonly frames: Uint8Array;
  /** Where each message's frame begins, and who sent it. */
  readonly #offsets: readonly number[];
  readonly #senders: readonly S[];
  /** The places in the batch of each sender's messages, ascending. */
  readonly #own = new Map<S, number[]>();

  /** @param frames DELIVER frames in which places and times are still to be written */
  constructor(
    first: number,
    time: number,
    frames: Uint8Array,
    senders: readonly S[],
    offsets: readonly number[],
  ) {
    this.first = first;
    this.last = first + senders.length - 1;
    this.time = time;
    this.frames = frames;
    this.#senders = senders;
    this.#offsets = offsets;
    for (let index = 0; index < senders.length; index += 1) {
      const offset = offsets[index]!;
      writeU64(frames, offset + SEQ_AT, first + index);
      writeU64(frames, offset + TIME_AT, time);
      const sender = senders[index]!;
      const own = this.#own.get(sender);
      if (own === undefined) this.#own.set(sender, [index]);
      else own.push(index);
    }
  }

  /** What it takes in memory, about, with all that it keeps besides its frames. */
  get size(): number {
    const besides = MESSAGE_OVERHEAD * this.#senders.length + SENDER_OVERHEAD * this.#own.size;
    return this.frames.length + besides + BATCH_OVERHEAD;
  }

  /** Everyone who has a message in it. */
  get senders(): Iterable<S> {
    return this.#own.keys();
  }

  /** How many messages each of them has in it. */
  *counts(): Generator<[S, number]> {
    for (const [sender, own] of this.#own) yield [sender, own.length];
  }

  /** The last message of one that has some. */
  lastOf(sender: S): LastMessage {
    const index = this.#own.get(sender)!.at(-1)!;
    return { n: this.#n(index), hash: Buffer.from(this.#hash(index), 'latin1') };
  }

  /** What the log is to store. */
  forLog(room: string): Batch {
    const { first, last, time, frames } = this;
    // A member may have published on two connections, one after the other; the later stands behind.
    const members = new Map<string, LastMessage>();
    for (const sender of this.#own.keys()) {
      const message = this.lastOf(sender);
      const other = members.get(sender.member);
      if (other === undefined || other.n < message.n) members.set(sender.member, message);
    }
    return {
      room,
      first,
      last,
      time,
      frames,
      members: [...members].map(([member, message]) => ({ member, last: message })),
    };
  }

  /**
   * The messages that `keep` says yes to, to be sealed anew for other places.
   * @returns `undefined` if there are none
   */
  reopened(keep: (sender: S, n: number) => boolean): OpenBatch<S> | undefined {
    const open = new OpenBatch<S>();
    for (let index = 0; index < this.#senders.length; index += 1) {
      const [sender, n] = [this.#senders[index]!, this.#n(index)];
      if (!keep(sender, n)) continue;
      open.add(sender, n, this.frames.subarray(this.#offsets[index]! + DELIVER_BYTES, this.#end(index)));
    }
    return open.length > 0 ? open : undefined;
  }

  /** Sends the frames from number `from` on as `client` gets them: with an ACK for each message of its own. */
  send(client: S, from: number, to: Outlet): void {
    const start = from - this.first;
    const own = this.#own.get(client);
    if (own === undefined) {
      to.send(start === 0 ? this.frames : this.frames.subarray(this.#offsets[start]!));
      return;
    }
    const mine = own[0]! < start ? own.filter((index) => index >= start) : own;
    if (runsIn(mine) > MAX_RUNS) to.send(this.#copyFor(client, mine, start));
    else this.#sendViews(client, mine, start, to);
  }

  /** @param own places of its messages, from `start` on */
  #sendViews(client: S, own: readonly number[], start: number, to: Outlet): void {
    const bytes = ackBytes(client);
    /** Begin of the others' frames that are not yet sent. */
    let rest = this.#offsets[start]!;
    for (let at = 0; at < own.length; ) {
      const index = own[at]!;
      const count = runLength(own, at);
      const offset = this.#offsets[index]!;
      if (offset > rest) to.send(this.frames.subarray(rest, offset));
      const acks = Buffer.allocUnsafe(count * bytes);
      for (let next = 0; next < count; next += 1) this.#writeAck(acks, next * bytes, index + next);
      to.send(acks);
      rest = this.#end(index + count - 1);
      at += count;
    }
    if (rest < this.frames.length) to.send(this.frames.subarray(rest));
  }

  #copyFor(client: S, own: readonly number[], start: number): Uint8Array {
    const { frames } = this;
    const bytes = ackBytes(client);
    let length = frames.length - this.#offsets[start]!;
    for (const index of own) length += bytes - (this.#end(index) - this.#offsets[index]!);
    const copy = Buffer.allocUnsafe(length);
    let at = 0;
    let rest = this.#offsets[start]!;
    for (const index of own) {
      const offset = this.#offsets[index]!;
      copy.set(frames.subarray(rest, offset), at);
      at += offset - rest;
      this.#writeAck(copy, at, index);
      at += bytes;
      rest = this.#end(index);
    }
    copy.set(frames.subarray(rest), at);
    return copy;
  }

  /** Writes the ACK of the message that is the batch's number `index`. */
  #writeAck(target: Buffer, at: number, index: number): void {
    const { frames } = this;
    const offset = this.#offsets[index]!;
    const { wantsHashes } = this.#senders[index]!;
    target.set(wantsHashes ? ackWithHash : ackWithout, at);
    for (let byte = 0; byte < 8; byte += 1) target[at + SEQ_AT + byte] = frames[offset + N_AT + byte]!;
    // seq and time stand side by side in both
    for (let byte = 0; byte < 16; byte += 1) target[at + SEQ_AT + 8 + byte] = frames[offset + SEQ_AT + byte]!;
    if (wantsHashes) target.write(this.#hash(index), at + ACK_BYTES, HASH_BYTES, 'latin1');
  }

  /** SHA-256 of an envelope, as Latin-1: made when it is sent, for kept it would take as much as many a message. */
  #hash(index: number): string {
    const envelope = this.frames.subarray(this.#offsets[index]! + DELIVER_BYTES, this.#end(index));
    return hash('sha256', envelope, 'latin1');
  }

  #n(index: number): number {
    const at = this.#offsets[index]! + N_AT;
    return readU32(this.frames, at) * 0x1_0000_0000 + readU32(this.frames, at + 4);
  }

  #end(index: number): number {
    return this.#offsets[index + 1] ?? this.frames.length;
  }
}

/** How many of ascending places follow each other from `own[at]` on, `own[at]` counted. */
function runLength(own: readonly number[], at: number): number {
  let count = 1;
  while (own[at + count] === own[at]! + count) count += 1;
  return count;
}

function runsIn(own: readonly number[]): number {
  let runs = 0;
  for (let at = 0; at < own.length; at += runLength(own, at)) runs += 1;
  return runs;
}

function ackBytes({ wantsHashes }: Sender): number {
  return wantsHashes ? ACK_BYTES + HASH_BYTES : ACK_BYTES;
}

// Length and type, which all ACKs have in common.
const ackWithout = encodeFrame({ type: 'ack', n: 1, seq: 0, time: 0 }).subarray(0, SEQ_AT);
const ackWithHash = encodeFrame({
  type: 'ack',
  n: 1,
  seq: 0,
  time: 0,
  hash: new Uint8Array(HASH_BYTES),
}).subarray(0, SEQ_AT);
