import type { Duplex } from 'node:stream';
import { joined } from '../bytes.ts';
import type { Counters } from './counters.ts';

/** What may wait to be taken by one client before nothing more is given to it, in bytes; and what is written to one that is slow. */
export const HIGH_WATER = 64 * 1024;
/** What is written at once to a client whose connection has taken the last write without waiting. */
const FAST_PIECE = 256 * 1024;
/** What each buffer that waits counts besides its bytes, in bytes: a PONG of 13 takes some twenty times as much memory. */
const BUFFER_OVERHEAD = 256;
/** What a client whose window is full may bring about in answers, in bytes, before it is not listened to. More than one batch of messages. */
const MOST_ANSWERS = 512 * 1024;
/** Buffers that are together shorter than this are copied into one: that is cheaper than to write them one by one. */
const JOIN_BYTES = 16 * 1024;

/** Who has a writer. */
export interface WriterOwner {
  /** The connection is no longer congested. */
  drained(): void;
  /** Its client is to be listened to again (`deaf`). It may still be congested. */
  listens(): void;
}

/** Writers that were given something in this turn. They are flushed together, at its end. */
export class WriteTurn {
  #writers: ConnectionWriter[] = [];

  add(writer: ConnectionWriter): void {
    if (this.#writers.push(writer) === 1) queueMicrotask(() => this.#end());
  }

  #end(): void {
    const writers = this.#writers;
    this.#writers = [];
    for (const writer of writers) writer.flush();
  }
}

/**
 * The one writer of a client's connection.
 *
 * 1. Everything that is sent to a client MUST go through its writer, in the order in which it is to arrive.
 * 2. What is sent in one turn of the event loop MUST reach the stream in one write, up to 256 KiB: frames are small
 *    and system calls are dear.
 * 3. Buffers given to `send` MUST NOT be changed afterwards: they are shared between clients, not copied.
 * 4. Whoever sends something of which there may be much MUST ask `congested` before each, and go on when the owner's
 *    `drained` is called: a client that does not read then costs at most the high-water mark and one more buffer.
 * 5. The stream is given more only when it has taken what it had, and to a slow client no more than the high-water mark at
 *    once. So one that takes what it is given slowly, 64 KiB in each write time-out, can be told from one that takes nothing.
 * 6. A client that names a window (`beginWindow`) is written no more than it has granted. What it does not grant counts as what it does
 *    not take, and so it waits here; who waits only for that is listened to (`deaf`), since it has yet to grant more. What is
 *    last (`end`) goes out with all that is before it.
 * 7. After `end` nothing is sent.
 */
export class ConnectionWriter {
  readonly #stream: Duplex;
  readonly #counters: Counters;
  readonly #turn: WriteTurn;
  readonly #owner: WriterOwner;
  /** What was sent and is not yet written; the first buffer from `#at` on. */
  #queue: Uint8Array[] = [];
  #at = 0;
  #queuedBytes = 0;
  /** Whether somebody was told that it is congested, and is to be told when it no longer is. */
  #wasCongested = false;
  /** The same of `deaf`. */
  #wasDeaf = false;
  /** Whether the last write had to wait. Nothing is known of a new connection. */
  #slow = true;
  #ended = false;
  /** Bytes that were written so far; since when it is looked whether they are taken, and how many are to be by the end of the time-out. */
  #written = 0;
  #stuckSince: number | undefined;
  #goal = 0;
  /** Where in what is written the window begins, and how far that may go. */
  #windowStart = 0;
  #windowEnd = Number.POSITIVE_INFINITY;
  /** What was sent while it was full, and there was enough already. */
  #answers = 0;

  constructor(stream: Duplex, counters: Counters, turn: WriteTurn, owner: WriterOwner) {
    this.#stream = stream;
    this.#counters = counters;
    this.#turn = turn;
    this.#owner = owner;
    stream.on('drain', () => this.flush());
  }

  /** Whether the connection has not yet taken what it was given. */
  get congested(): boolean {
    if (this.#queued + this.#stream.writableLength < HIGH_WATER) return false;
    this.#wasCongested = true;
    return true;
  }

  /** What waits in the queue costs, in bytes. */
  get #queued(): number {
    return this.#queuedBytes + BUFFER_OVERHEAD * this.#queue.length;
  }

  /** Whether its client is not to be listened to, until it takes what it was given. */
  get deaf(): boolean {
    const waitsForWindow = this.#written >= this.#windowEnd && this.#answers < MOST_ANSWERS;
    const deaf = this.congested && !waitsForWindow;
    this.#wasDeaf ||= deaf;
    return deaf;
  }

  /**
   * Looks, every second or so, how the connection takes what is written.
   * @param timeoutMs time for each high-water mark of it
   * @returns `stuck`: it has taken less than that for too long; `waiting`: it has not yet taken what was there when it was looked first, or
   *   so much of it; `taken`: now it has; `undefined`: there is nothing to take
   */
  look(now: number, timeoutMs: number): 'stuck' | 'waiting' | 'taken' | undefined {
    const writing = this.#stream.writableLength;
    const waiting = writing + (this.#written < this.#windowEnd ? 0 : this.#queuedBytes);
    const taken = this.#written - writing;
    if (this.#stuckSince === undefined) {
      if (waiting === 0) return undefined;
      this.#stuckSince = now;
      this.#goal = taken + Math.min(waiting, HIGH_WATER);
    } else if (waiting === 0 || taken >= this.#goal) {
      this.#stuckSince = undefined;
      return 'taken';
    }
    // What was written at once may be seen to be taken only when all of it is.
    const allowed = timeoutMs * Math.max(1, Math.ceil(writing / HIGH_WATER));
    return now - this.#stuckSince >= allowed ? 'stuck' : 'waiting';
  }

  send(bytes: Uint8Array): void {
    if (this.#ended) return;
    if (this.#written >= this.#windowEnd && this.#queued >= HIGH_WATER)
      this.#answers += bytes.length + BUFFER_OVERHEAD;
    if (this.#queue.push(bytes) === 1) this.#turn.add(this);
    this.#queuedBytes += bytes.length;
  }

  /** From here on no more is written than this, in bytes, and what is granted. */
  beginWindow(bytes: number): void {
    this.#windowStart = this.#written + this.#queuedBytes;
    this.#windowEnd = this.#windowStart + bytes;
  }

  /** So many bytes may be written since the window began, in all. Less than was granted before means nothing. */
  grant(bytes: number): void {
    const end = this.#windowStart + bytes;
    if (end <= this.#windowEnd) return;
    this.#windowEnd = end;
    this.flush();
  }

  /** Closes the sending direction behind what was sent. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#windowEnd = Number.POSITIVE_INFINITY;
    this.flush();
  }

  /** Writes what was sent, as far as the stream has taken what was written before. */
  flush(): void {
    const stream = this.#stream;
    if (stream.destroyed) {
      this.#forget();
      return;
    }
    while (this.#queuedBytes > 0 && this.#written < this.#windowEnd && !waits(stream))
      this.#write(this.#take());
    if (this.#ended && this.#queuedBytes === 0 && !stream.writableEnded) stream.end();
    if (this.#wasCongested && !this.congested) {
      this.#wasCongested = false;
      this.#answers = 0;
      this.#owner.drained();
    }
    // Who has been written all that was granted is not congested less by anything but a grant: that has to be heard.
    if (!this.#wasDeaf || this.deaf) return;
    this.#wasDeaf = false;
    this.#owner.listens();
  }

  #write(buffers: readonly Uint8Array[]): void {
    const stream = this.#stream;
    if (buffers.length > 1) stream.cork();
    for (const buffer of buffers) stream.write(buffer);
    if (buffers.length > 1) stream.uncork();
    this.#slow = stream.writableLength > 0;
  }

  /** Takes from the queue what is to be written at once, in as few buffers as is cheap. */
  #take(): Uint8Array[] {
    const most = Math.min(this.#slow ? HIGH_WATER : FAST_PIECE, this.#windowEnd - this.#written);
    const piece: Uint8Array[] = [];
    let bytes = 0;
    let used = 0;
    while (bytes < most && used < this.#queue.length) {
      const buffer = this.#queue[used]!;
      const end = Math.min(buffer.length, this.#at + most - bytes);
      piece.push(this.#at === 0 && end === buffer.length ? buffer : buffer.subarray(this.#at, end));
      bytes += end - this.#at;
      this.#at = end === buffer.length ? 0 : end;
      if (this.#at === 0) used += 1;
    }
    if (used === this.#queue.length) this.#queue = [];
    else this.#queue.splice(0, used);
    this.#queuedBytes -= bytes;
    this.#written += bytes;
    this.#counters.bytesOut += bytes;
    return piece.length > 1 && bytes <= JOIN_BYTES ? [joined(piece)] : piece;
  }

  /** Nobody will take what is left. */
  #forget(): void {
    this.#ended = true;
    this.#queue = [];
    this.#queuedBytes = 0;
  }
}

/** Whether a stream will say `drain`: it has not yet taken what it was given, and does not want more. */
function waits(stream: Duplex): boolean {
  return stream.writableNeedDrain && stream.writableLength > 0;
}
