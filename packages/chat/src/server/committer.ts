import type { Clock } from '../clock.ts';
import type { MessageLog } from '../log/message-log.ts';
import type { Client } from './client.ts';
import type { Counters } from './counters.ts';
import { deliverBytes, MessageBatch, type PendingMessage } from './message-batch.ts';
import type { Room } from './room.ts';

/** A batch is at most this long unless a single message is longer; it is the unit that is read back. */
const BATCH_BYTES = 256 * 1024;
/** What may wait for the log; who publishes more is not read from until the log has caught up. */
const BACKLOG_BYTES = 8 * 1024 * 1024;

/**
 * Brings accepted messages into the log, and then to the clients. All that is accepted while one transaction
 * runs becomes the next one (group commit), so the more there is to do, the less each message costs.
 */
export class Committer {
  readonly #log: MessageLog;
  readonly #clock: Clock;
  readonly #counters: Counters;
  readonly #onFailure: (error: unknown, clients: ReadonlySet<Client>) => void;
  /** Rooms with messages that wait. */
  readonly #rooms = new Set<Room>();
  #waitingBytes = 0;
  #running = false;
  #scheduled = false;
  /** Transactions that have begun, and who waits for the end of which. */
  #begun = 0;
  #onCommitted: { readonly commit: number; readonly resolve: () => void }[] = [];
  #onRoom: (() => void)[] = [];

  /** @param onFailure told why messages were not stored, and whose they were */
  constructor(
    log: MessageLog,
    clock: Clock,
    counters: Counters,
    onFailure: (error: unknown, clients: ReadonlySet<Client>) => void,
  ) {
    this.#log = log;
    this.#clock = clock;
    this.#counters = counters;
    this.#onFailure = onFailure;
  }

  /** Whether so much waits for the log that no more should be accepted now. */
  get full(): boolean {
    return this.#waitingBytes >= BACKLOG_BYTES;
  }

  /** Calls `work` when there is room for more. */
  whenNotFull(work: () => void): void {
    this.#onRoom.push(work);
  }

  /** Resolves when everything accepted so far is stored and sent, or refused. */
  settled(): Promise<void> {
    if (!this.#running && this.#rooms.size === 0) return Promise.resolve();
    const commit = this.#rooms.size === 0 ? this.#begun : this.#begun + 1;
    return new Promise((resolve) => this.#onCommitted.push({ commit, resolve }));
  }

  accept(room: Room, message: PendingMessage<Client>): void {
    room.pending.push(message);
    room.pendingBytes += deliverBytes(message.envelope);
    this.#waitingBytes += deliverBytes(message.envelope);
    this.#rooms.add(room);
    if (this.#running || this.#scheduled) return;
    this.#scheduled = true;
    // Not at once: whatever else is readable in this turn comes along.
    setImmediate(() => {
      this.#scheduled = false;
      void this.#run();
    });
  }

  /**
   * Commits until nothing waits. While the log stores one batch, the clients are given the one before, and
   * the next one gathers.
   */
  async #run(): Promise<void> {
    this.#running = true;
    let stored: readonly Room[] = [];
    while (this.#rooms.size > 0 || stored.length > 0) {
      const given = this.#begun;
      const storing = this.#rooms.size > 0 ? this.#commit() : [];
      for (const room of stored) room.giveAll();
      this.#settle(given);
      stored = await storing;
    }
    this.#running = false;
    this.#settle(this.#begun);
  }

  /** Stores all that waits. Returns the rooms that have something new. */
  async #commit(): Promise<Room[]> {
    this.#begun += 1;
    const sealed = new Map<Room, MessageBatch<Client>[]>();
    for (const room of this.#rooms) sealed.set(room, seal(room, this.#clock.now()));
    this.#rooms.clear();
    this.#waitingBytes = 0;
    const waiting = this.#onRoom;
    this.#onRoom = [];
    const appending = this.#log.append(
      [...sealed].flatMap(([room, batches]) => batches.map((batch) => batch.forLog(room.id))),
    );
    for (const work of waiting) work();
    try {
      await appending;
    } catch (error) {
      this.#fail(error, sealed);
      return [];
    }
    this.#counters.commits += 1;
    for (const [room, batches] of sealed) for (const batch of batches) room.stored(batch);
    return [...sealed.keys()];
  }

  /** Tells those who wait for it that a transaction, and all before it, are done with. */
  #settle(commit: number): void {
    const settled = this.#onCommitted.filter((waiting) => waiting.commit <= commit);
    this.#onCommitted = this.#onCommitted.filter((waiting) => waiting.commit > commit);
    for (const { resolve } of settled) resolve();
  }

  /** What was accepted meanwhile builds on what failed, so it fails with it. */
  #fail(error: unknown, sealed: ReadonlyMap<Room, readonly MessageBatch<Client>[]>): void {
    const clients = new Set<Client>();
    for (const batches of sealed.values()) {
      for (const batch of batches) for (const sender of batch.senders.keys()) clients.add(sender);
    }
    for (const room of this.#rooms) {
      for (const { sender } of room.pending) clients.add(sender);
      room.pending = [];
      room.pendingBytes = 0;
    }
    this.#rooms.clear();
    this.#waitingBytes = 0;
    this.#onFailure(error, clients);
  }
}

/** Takes all that waits in a room, as batches. */
function seal(room: Room, time: number): MessageBatch<Client>[] {
  const batches: MessageBatch<Client>[] = [];
  let next = room.head + 1;
  let start = 0;
  let bytes = 0;
  const cut = (end: number) => {
    const batch = new MessageBatch(next, time, room.pending.slice(start, end));
    batches.push(batch);
    next = batch.last + 1;
    start = end;
    bytes = 0;
  };
  room.pending.forEach(({ envelope }, index) => {
    const size = deliverBytes(envelope);
    if (bytes > 0 && bytes + size > BATCH_BYTES) cut(index);
    bytes += size;
  });
  cut(room.pending.length);
  room.pending = [];
  room.pendingBytes = 0;
  return batches;
}
