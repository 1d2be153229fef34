import type { Clock } from '../clock.ts';
import { LogError } from '../log/log-error.ts';
import type { Appended, Batch, MessageLog } from '../log/message-log.ts';
import { ProtocolError } from '../protocol/protocol-error.ts';
import type { Backlog } from './backlog.ts';
import type { Counters } from './counters.ts';
import { BATCH_BYTES, deliverBytes, type MessageBatch, OpenBatch, type Sender } from './message-batch.ts';
import { ForeignBatch, type StoredBatch } from './stored-batch.ts';

/** A batch is stored within this time, or the room fails. */
const STORE_TIMEOUT_MS = 60_000;
/** Pause before a log that was busy is asked again. */
const BUSY_PAUSE_MS = 250;

/** What a room's writer uses. */
export interface RoomWriterParts {
  readonly log: MessageLog;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly backlog: Backlog;
}

/** Whom a room's writer tells. */
export interface RoomWriterEvents<S extends Sender> {
  /** A batch is in the log now, whoever stored it. `members`: the last message in it of each of its members. */
  stored(batch: StoredBatch<S>, members: Batch['members']): void;
  /** What is stored should be given to the clients now: the next append, if there is one, has begun. */
  give(): void;
  /** The log is full: all that waited was dropped. `senders`: whose messages it were. */
  full(senders: ReadonlySet<S>): void;
  /** What a sender had accepted for one place only is dropped: another has it. `give` follows. */
  moved(sender: S): void;
  /** Nothing will be stored any more by this writer. */
  failed(error: unknown): void;
  /** Whether the log has this message of a member already. Told for what was accepted, until it is `over` or dropped. */
  has(sender: S, n: number): boolean;
  /** Of what a sender published and is stored, this writer has `count` messages no longer. */
  over(sender: S, count: number): void;
}

/**
 * The messages of one room on their way to the log.
 *
 * 1. Only it appends to the room, one batch at a time, each at the head that it expects; and only it watches the room.
 * 2. What is accepted is stored in the order in which it was accepted; what comes while one batch is stored is the next.
 * 3. What is stored, its own and others', goes on (`stored`) as the log's watcher brings it: in order, without a hole.
 * 4. If the head is another, it waits until the watcher has brought what is new, takes away what others have stored
 *    meanwhile, and tries again at the new head. From what waits behind that, it takes it away when its turn comes.
 * 5. Every accepted message ends: it is stored; or it is dropped because the log is full, and with it all that waits behind it,
 *    since that builds on it; or the writer fails, and with it its room. For each batch that takes a minute at most, also
 *    where the log never answers: `tick` sees to it.
 * 6. What is for one place only (`acceptAt`) is a batch of its own, and is dropped where that place turns out to be another's.
 * 7. Clients are given a batch when the append of the next one has begun: while the log works, they do.
 *
 * Cost: O(1) for each message and O(bytes) for each batch, for any number of members and of batches that are stored.
 */
export class RoomWriter<S extends Sender> {
  readonly #room: string;
  readonly #log: MessageLog;
  readonly #clock: Clock;
  readonly #counters: Counters;
  readonly #backlog: Backlog;
  readonly #events: RoomWriterEvents<S>;
  readonly #watching: Disposable;
  /** The last place that is known to be taken, from the watcher. */
  #head: number;
  /** Batches that wait, the last of which takes more. */
  #waiting: OpenBatch<S>[] = [];
  /** Memory for the next of them. */
  #spare: Uint8Array | undefined;
  /** The batch that is being stored, since when, and whether the watcher has brought it. */
  #storing: MessageBatch<S> | undefined;
  #storingSince = 0;
  #brought = false;
  /** What is for one place only: its sender, the place before it, and the batch that waits or is being stored. */
  #exact: { readonly sender: S; readonly head: number; batch: OpenBatch<S> | MessageBatch<S> } | undefined;
  /** Whether others have stored something that may be among what waits. */
  #overtaken = false;
  /** A head that the log told and the watcher has not yet come up to. */
  #awaitedHead = 0;
  /** Of what is not stored; and what of the backlog is to be given back, a little later. */
  #bytes = 0;
  #taken = 0;
  #soon: Disposable | undefined;
  #closed = false;

  /** @param head the room's head, from where on it watches */
  constructor(room: string, head: number, parts: RoomWriterParts, events: RoomWriterEvents<S>) {
    this.#room = room;
    this.#head = head;
    this.#log = parts.log;
    this.#clock = parts.clock;
    this.#counters = parts.counters;
    this.#backlog = parts.backlog;
    this.#events = events;
    this.#watching = this.#log.watch(room, head, {
      stored: (batch) => this.#watched(batch),
      failed: (error) => this.#fail(error),
    });
    if (this.#closed) this.#watching[Symbol.dispose]();
  }

  /** Whether nothing waits and nothing is being stored. */
  get idle(): boolean {
    return this.#storing === undefined && this.#waiting.length === 0;
  }

  /** Bytes of what was accepted and is not yet stored. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether the place behind `head` is free, as far as is known here. */
  isFree(head: number): boolean {
    return this.idle && head === this.#head;
  }

  /** Takes a message for the place behind `head`, which `isFree`. The envelope is copied. */
  acceptAt(head: number, sender: S, n: number, envelope: Uint8Array): void {
    this.accept(sender, n, envelope);
    this.#exact = { sender, head, batch: this.#waiting[0]! };
  }

  /** Takes a message, which is to be stored behind all that were taken before. The envelope is copied. */
  accept(sender: S, n: number, envelope: Uint8Array): void {
    const bytes = deliverBytes(envelope);
    let open = this.#waiting.at(-1);
    if (open === undefined || open === this.#exact?.batch || !open.takes(bytes)) {
      open = new OpenBatch(this.#spare);
      this.#spare = undefined;
      this.#waiting.push(open);
    }
    open.add(sender, n, envelope);
    this.#bytes += bytes;
    this.#taken += bytes;
    this.#backlog.take(bytes);
    // Not at once: whatever else is readable in this turn comes along.
    if (this.#storing === undefined) this.#soon ??= this.#clock.soon(() => this.#begin());
  }

  /** Looks whether the log has answered in time. Called every second or so. */
  tick(now: number): void {
    if (this.#storing === undefined || now - this.#storingSince < STORE_TIMEOUT_MS) return;
    this.#fail(
      new ProtocolError('SERVER_FAILURE', `The server could not store messages in ${STORE_TIMEOUT_MS} ms.`),
    );
  }

  /** Stores and watches no more. What the log is doing for it goes on there, and is nothing to it. */
  close(): void {
    this.#stop();
    this.#giveBack(this.#taken);
  }

  /** Begins to store the batch that waits longest. */
  #begin(): void {
    this.#soon = undefined;
    const open = this.#waiting.shift();
    if (open === undefined || this.#closed) return;
    const overtaken = this.#overtaken;
    if (this.#waiting.length === 0) this.#overtaken = false;
    this.#storingSince = this.#clock.monotonic();
    const batch = open.seal(this.#head + 1, this.#clock.now());
    if (open === this.#exact?.batch) {
      this.#exact.batch = batch;
      if (this.#exact.head !== this.#head) {
        this.#moved(batch);
        return;
      }
    }
    if (open.memory.length <= BATCH_BYTES) this.#spare ??= open.memory;
    if (overtaken) this.#appendNew(batch);
    else this.#append(batch);
  }

  #append(batch: MessageBatch<S>): void {
    this.#storing = batch;
    this.#brought = false;
    this.#log
      .append(batch.forLog(this.#room))
      .then(
        (appended) => this.#appended(batch, appended),
        (error) => this.#notAppended(batch, error),
      )
      // Whatever fails in telling the room's clients is the room's failure, and nobody else's.
      .catch((error) => this.#fail(error));
  }

  #watched(batch: Batch): void {
    if (this.#closed) return;
    if (batch.first !== this.#head + 1) {
      const text = `The log brought place ${batch.first} where ${this.#head + 1} was expected.`;
      this.#fail(new LogError('LOG_FAILED', text));
      return;
    }
    this.#head = batch.last;
    const own = this.#storing;
    if (own !== undefined && !this.#brought && isSame(own, batch)) {
      this.#brought = true;
      this.#bytes -= own.frames.length;
      this.#events.stored(own, batch.members);
      if (this.#closed) return;
      for (const [sender, count] of own.counts()) this.#events.over(sender, count);
      return;
    }
    this.#overtaken = this.#waiting.length > 0;
    this.#events.stored(new ForeignBatch(batch), batch.members);
    this.#events.give();
    this.#retry();
  }

  #appended(batch: MessageBatch<S>, appended: Appended): void {
    if (this.#storing !== batch || this.#closed) return;
    if (this.#brought) {
      this.#counters.commits += 1;
      this.#next(batch.frames.length);
    } else if (appended.stored) {
      this.#fail(new LogError('LOG_FAILED', `The log stored place ${batch.first} and did not bring it.`));
    } else if (appended.head < batch.first) {
      const text = `The log's head is ${appended.head}, and it refuses place ${batch.first}.`;
      this.#fail(new LogError('LOG_FAILED', text));
    } else {
      this.#awaitedHead = appended.head;
      this.#retry();
    }
  }

  #notAppended(batch: MessageBatch<S>, error: unknown): void {
    if (this.#storing !== batch || this.#closed) return;
    const code = error instanceof LogError ? error.code : undefined;
    if (code === 'LOG_BUSY') {
      this.#soon ??= this.#clock.after(BUSY_PAUSE_MS, () => {
        this.#soon = undefined;
        this.#append(batch);
      });
    } else if (code === 'LOG_FULL') {
      // Of what is dropped here; whoever is told may publish again at once, which takes anew.
      const taken = this.#taken;
      // Told first: what is given back makes publishers go on, who must know by then.
      this.#events.full(this.#drop());
      this.#events.give();
      this.#giveBack(taken);
    } else {
      this.#fail(error);
    }
  }

  /** Tries again, behind what others have stored, when all of that is known. */
  #retry(): void {
    const batch = this.#storing;
    if (this.#awaitedHead === 0 || this.#head < this.#awaitedHead || batch === undefined) return;
    this.#awaitedHead = 0;
    this.#appendNew(batch);
  }

  /** Appends what of a batch others have not stored. */
  #appendNew(batch: MessageBatch<S>): void {
    if (batch === this.#exact?.batch) {
      this.#moved(batch);
      return;
    }
    const open = batch.reopened((sender, n) => {
      const isNew = !this.#events.has(sender, n);
      if (!isNew) this.#events.over(sender, 1);
      return isNew;
    });
    const bytes = batch.frames.length - (open?.length ?? 0);
    this.#bytes -= bytes;
    if (open === undefined) {
      this.#next(bytes);
    } else {
      this.#append(open.seal(this.#head + 1, this.#clock.now()));
      this.#giveBack(bytes);
    }
  }

  /** Drops what was for one place only: another has that. */
  #moved({ frames }: MessageBatch<S>): void {
    const { sender } = this.#exact!;
    this.#bytes -= frames.length;
    this.#events.moved(sender);
    this.#next(frames.length);
  }

  /** What was being stored is; goes on with the next batch, and gives this one to the clients meanwhile. */
  #next(bytes: number): void {
    this.#storing = undefined;
    this.#exact = undefined;
    this.#begin();
    if (this.#storing !== undefined) {
      // The log begins with what is appended at the end of this turn: that comes first.
      queueMicrotask(() => {
        try {
          this.#given(bytes);
        } catch (error) {
          this.#fail(error);
        }
      });
    } else {
      this.#spare = undefined;
      this.#given(bytes);
    }
  }

  #given(bytes: number): void {
    this.#events.give();
    this.#giveBack(bytes);
  }

  /** Never more than was taken: whoever was told in between may have closed this. */
  #giveBack(bytes: number): void {
    const given = Math.min(bytes, this.#taken);
    this.#taken -= given;
    this.#backlog.giveBack(given);
  }

  /** @returns whose messages it were */
  #drop(): ReadonlySet<S> {
    const senders = new Set<S>(this.#storing?.senders);
    for (const open of this.#waiting) for (const sender of open.senders) senders.add(sender);
    this.#storing = undefined;
    this.#exact = undefined;
    this.#waiting = [];
    this.#spare = undefined;
    this.#bytes = 0;
    return senders;
  }

  #stop(): void {
    this.#closed = true;
    this.#watching?.[Symbol.dispose]();
    this.#soon?.[Symbol.dispose]();
    this.#drop();
  }

  #fail(error: unknown): void {
    if (this.#closed) return;
    this.#stop();
    this.#events.failed(error);
    this.#giveBack(this.#taken);
  }
}

/** Whether what the watcher brought is what was appended: where another came first, something else stands there. */
function isSame({ first, frames }: StoredBatch<never>, other: Batch): boolean {
  if (first !== other.first) return false;
  return frames === other.frames || Buffer.compare(frames, other.frames) === 0;
}
