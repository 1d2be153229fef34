import type { Clock } from '../clock.ts';
import { LogError } from '../log/log-error.ts';
import type { LogChunk, MessageLog } from '../log/message-log.ts';
import { encodeFrame } from '../protocol/frames.ts';
import { ProtocolError } from '../protocol/protocol-error.ts';
import type { ConnectionWriter } from './connection-writer.ts';
import type { Counters } from './counters.ts';
import type { LogQuestions } from './log-questions.ts';
import type { ReadBudget } from './read-budget.ts';
import type { StoredBatch } from './stored-batch.ts';
import { Tail, type TailBytes } from './tail.ts';

/** How long publishers wait, after a batch, for a majority that has not taken it. */
const CROWD_MS = 100;
/** The log answers a question within this time, or who asked is told that it failed. */
const READ_TIMEOUT_MS = 60_000;

/** What deliveries of all rooms use. */
export interface DeliveryParts {
  readonly log: MessageLog;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly tails: TailBytes;
  readonly questions: LogQuestions;
  readonly reads: ReadBudget;
}

/** Who is given messages. */
export interface Reader<S> {
  /** Whose own messages are given as ACKs. */
  readonly sender: S;
  readonly writer: ConnectionWriter;
  /** The version of its protocol. */
  readonly version: number;
  /** It has been given all that there is. Called whenever that is so again. */
  caughtUp(): void;
  /** It cannot be given what it wants. */
  failed(error: unknown): void;
}

/** How far a reader has come in its room's messages. Written by its room's `Delivery` alone. */
export class Cursor<S> {
  readonly reader: Reader<S>;
  /** Last sequence number that was given to it. */
  place: number;
  /** Whether it has not been given all that there is; whether it once was. */
  behind = true;
  live = false;
  /** When the log was asked for it; `undefined` if it is not being. */
  readingSince: number | undefined;
  /** What it has of the budget: taken for what was read, until its connection has taken that. */
  budget = 0;

  constructor(reader: Reader<S>, place: number) {
    this.reader = reader;
    this.place = place;
  }
}

/**
 * Gives a room's messages to its clients. Every client is a cursor: it is given what follows as fast as its
 * connection takes it, from memory if it is close to the head, from the log if not. So nothing queues up for a
 * slow client, and nobody waits for it.
 *
 * 1. Every message behind a cursor's place is given to its reader once, in order, if the log has it. Places whose messages are damaged
 *    are told to readers of version 2, and left out for others.
 * 2. A cursor is moved here and nowhere else, and only over what was given, is damaged, or is no longer there.
 * 3. What was read for a cursor is given only if it is still here when the answer comes.
 * 4. A question to the log has an end: `tick` sees to it.
 * 5. What was read for a cursor is counted in the budget of all rooms until its connection has taken most of it.
 *
 * Cost, for n clients: O(n) for a batch, when it is given; O(1) for a client whose connection takes more. Only those that are
 * behind keep batches in memory.
 */
export class Delivery<S> {
  readonly #room: string;
  readonly #parts: DeliveryParts;
  readonly #tail: Tail<StoredBatch<S>>;
  readonly #cursors = new Set<Cursor<S>>();
  #head: number;
  /** How many cursors are behind; how many of them were not once. */
  #behind = 0;
  #lagging = 0;
  #crowdTimer: Disposable | undefined;
  #onCalm: (() => void)[] = [];

  constructor(room: string, head: number, parts: DeliveryParts) {
    this.#room = room;
    this.#head = head;
    this.#parts = parts;
    this.#tail = new Tail(parts.tails);
  }

  /** Whether most clients have not yet taken what was said last: who publishes should wait a little. */
  get crowded(): boolean {
    return this.#crowdTimer !== undefined;
  }

  /** Calls `work` when the room is no longer crowded, or has been for long enough. */
  whenCalm(work: () => void): void {
    this.#onCalm.push(work);
  }

  /** Takes a batch that is stored, behind all before. It is given by `giveAll`. */
  stored(batch: StoredBatch<S>): void {
    this.#head = batch.last;
    this.#tail.push(batch);
  }

  /** Begins to give messages to a reader: those behind `place`. */
  add(reader: Reader<S>, place: number): Cursor<S> {
    const cursor = new Cursor(reader, place);
    this.#cursors.add(cursor);
    this.#behind += 1;
    this.#give(cursor);
    return cursor;
  }

  remove(cursor: Cursor<S>): void {
    if (!this.#cursors.delete(cursor)) return;
    this.#giveBack(cursor);
    this.#setBehind(cursor, false);
    this.#forget();
  }

  /** Gives everybody who is ready for it what was stored. */
  giveAll(): void {
    for (const cursor of this.#cursors) this.#give(cursor);
    this.#forget();
    if (this.#lagging * 2 > this.#cursors.size) {
      this.#crowdTimer ??= this.#parts.clock.after(CROWD_MS, () => this.#calm());
    }
  }

  /** Goes on with a reader whose connection takes more again. */
  drained(cursor: Cursor<S>): void {
    if (!this.#cursors.has(cursor)) return;
    if (cursor.readingSince === undefined) this.#giveBack(cursor);
    this.#give(cursor);
    this.#forget();
  }

  /** Looks whether the log has answered in time. */
  tick(now: number): void {
    for (const cursor of this.#cursors) {
      if (cursor.readingSince === undefined || now - cursor.readingSince < READ_TIMEOUT_MS) continue;
      const text = `The server could not read messages in ${READ_TIMEOUT_MS} ms.`;
      cursor.reader.failed(new ProtocolError('SERVER_FAILURE', text));
    }
  }

  /** Gives nothing more, to anybody. */
  close(): void {
    for (const cursor of this.#cursors) this.remove(cursor);
    this.#tail.clear();
    this.#calm();
  }

  /** Gives a reader what it can take of what it has not yet got. */
  #give(cursor: Cursor<S>): void {
    if (cursor.readingSince !== undefined) return;
    const { reader } = cursor;
    while (cursor.place < this.#head && !reader.writer.congested) {
      const batch = this.#tail.at(cursor.place + 1);
      if (batch === undefined) {
        this.#setBehind(cursor, true);
        void this.#readLog(cursor);
        return;
      }
      batch.send(reader.sender, cursor.place + 1, reader.writer);
      this.#advance(cursor, batch.last);
    }
    this.#setBehind(cursor, cursor.place < this.#head);
    if (cursor.behind) return;
    cursor.live = true;
    reader.caughtUp();
  }

  #advance(cursor: Cursor<S>, last: number): void {
    this.#parts.counters.messagesOut += last - cursor.place;
    cursor.place = last;
  }

  async #readLog(cursor: Cursor<S>): Promise<void> {
    const { log, clock, counters, questions, reads } = this.#parts;
    const head = this.#head;
    cursor.readingSince = clock.monotonic();
    this.#giveBack(cursor);
    cursor.budget = reads.take();
    counters.catchUps += 1;
    try {
      const { place, budget } = cursor;
      const isHere = () => this.#cursors.has(cursor);
      const chunk = await questions.ask(() => log.read(this.#room, place, budget, isHere));
      if (!isHere()) return;
      cursor.readingSince = undefined;
      // Nothing is left of what there was when it was asked; what came since is another matter.
      if (chunk === undefined) cursor.place = head;
      else this.#giveChunk(cursor, chunk);
      if (!cursor.reader.writer.congested) this.#giveBack(cursor);
      this.#give(cursor);
      this.#forget();
    } catch (error) {
      if (this.#cursors.has(cursor)) cursor.reader.failed(error);
    }
  }

  #giveChunk(cursor: Cursor<S>, { first, last, frames, damaged }: LogChunk): void {
    const { writer, version } = cursor.reader;
    // Or it would be asked for the same for ever.
    if (first <= cursor.place || last < first) {
      throw new LogError('LOG_FAILED', `The log gave ${first} to ${last} behind ${cursor.place}.`);
    }
    if (!damaged) {
      writer.send(frames);
      this.#parts.counters.messagesOut += last - first + 1;
    } else if (version >= 2) {
      // The operator is told by the log.
      writer.send(encodeFrame({ type: 'damaged', first, last }));
    }
    cursor.place = last;
  }

  #giveBack(cursor: Cursor<S>): void {
    this.#parts.reads.giveBack(cursor.budget);
    cursor.budget = 0;
  }

  /** Keeps what was said last only as long as somebody has not been given it. */
  #forget(): void {
    if (this.#behind === 0) this.#tail.clear();
  }

  #setBehind(cursor: Cursor<S>, behind: boolean): void {
    if (cursor.behind === behind) return;
    cursor.behind = behind;
    this.#behind += behind ? 1 : -1;
    if (cursor.live) this.#lagging += behind ? 1 : -1;
    if (this.#lagging * 2 <= this.#cursors.size) this.#calm();
  }

  #calm(): void {
    if (this.#crowdTimer === undefined) return;
    this.#crowdTimer[Symbol.dispose]();
    this.#crowdTimer = undefined;
    const waiting = this.#onCalm;
    this.#onCalm = [];
    for (const work of waiting) work();
  }
}
