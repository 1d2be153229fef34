import type { Clock } from '../clock.ts';
import type { MessageLog } from '../log/message-log.ts';
import type { Client } from './client.ts';
import type { Counters } from './counters.ts';
import type { MessageBatch, PendingMessage } from './message-batch.ts';
import { Presence } from './presence.ts';

/**
 * What is kept in memory for clients that are a little behind, of one room and of all; who is further behind
 * reads the log.
 */
const TAIL_BYTES = 4 * 1024 * 1024;
const ALL_TAILS_BYTES = 64 * 1024 * 1024;
/** What is read from the log at once for one client. */
const READ_BYTES = 256 * 1024;
/** How long publishers wait, after a batch, for a majority that has not taken it. */
const CROWD_MS = 100;

/** What the tails of all rooms take together. */
export interface Tails {
  bytes: number;
}

/**
 * A room in which somebody is. Every client is a cursor in the room's messages: it is given what follows
 * as fast as its connection takes it, from memory if it is close to the head, from the log if not. So
 * nothing queues up for a slow client, and nobody waits for it.
 */
export class Room {
  /** Hex of the room id. */
  readonly id: string;
  readonly idBytes: Uint8Array;
  /** Last sequence number that is stored. */
  head: number;
  /** Smallest sequence number that is kept. */
  first: number;
  /** Bytes that are stored. */
  bytes: number;
  /** Messages that were accepted and wait for the log. */
  pending: PendingMessage<Client>[] = [];
  pendingBytes = 0;
  /** Connections of members, joined or about to; one for each member. */
  readonly members = new Map<string, Client>();
  /** Clients that are given messages. */
  readonly #clients = new Set<Client>();
  readonly presence: Presence;
  readonly #log: MessageLog;
  readonly #counters: Counters;
  readonly #clock: Clock;
  readonly #tails: Tails;
  #tail: MessageBatch<Client>[] = [];
  #tailBytes = 0;
  /** How many clients have not been given all that there is; how many of them once had. */
  #behind = 0;
  #lagging = 0;
  #crowdTimer: Disposable | undefined;
  #onCalm: (() => void)[] = [];

  constructor(
    id: string,
    state: { head: number; first: number; bytes: number },
    parts: { log: MessageLog; counters: Counters; clock: Clock; presenceDelayMs: number; tails: Tails },
  ) {
    this.id = id;
    this.idBytes = Buffer.from(id, 'hex');
    this.head = state.head;
    this.first = state.first;
    this.bytes = state.bytes;
    this.#log = parts.log;
    this.#counters = parts.counters;
    this.#clock = parts.clock;
    this.#tails = parts.tails;
    this.presence = new Presence(this.#clients, parts.clock, parts.presenceDelayMs);
  }

  /** Whether nobody is here and nothing waits to be stored, so that the room may be forgotten. */
  get unused(): boolean {
    return this.members.size === 0 && this.pending.length === 0;
  }

  /** Whether most clients have not yet taken what was said last: who publishes should wait a little. */
  get crowded(): boolean {
    return this.#crowdTimer !== undefined;
  }

  /** Calls `work` when the room is no longer crowded, or has been for long enough. */
  whenCalm(work: () => void): void {
    this.#onCalm.push(work);
  }

  /** Makes a connection its member's only one; an older one is hung up. */
  claim(client: Client): void {
    const older = this.members.get(client.member);
    this.members.set(client.member, client);
    older?.end('REPLACED', 'The same member has joined by another connection.');
  }

  /** Begins to give messages to a client, from its cursor on. */
  enter(client: Client): void {
    this.#clients.add(client);
    client.behind = true;
    this.#behind += 1;
    this.presence.came(client.member);
    this.#give(client);
  }

  leave(client: Client): void {
    if (this.members.get(client.member) === client) {
      this.members.delete(client.member);
      this.presence.left(client.member);
    }
    if (this.#clients.delete(client)) this.#setBehind(client, false);
    this.#trimTail();
  }

  /** Takes a batch that is in the log now. */
  stored(batch: MessageBatch<Client>): void {
    this.head = batch.last;
    this.bytes += batch.frames.length;
    this.#tail.push(batch);
    this.#tailBytes += batch.frames.length;
    this.#tails.bytes += batch.frames.length;
    this.#counters.messagesIn += batch.last - batch.first + 1;
    for (const [sender, n] of batch.senders) sender.stored(n);
  }

  /** Gives everybody who is ready for it what was stored. */
  giveAll(): void {
    for (const client of this.#clients) this.#give(client);
    this.#trimTail();
    if (this.#lagging * 2 > this.#clients.size) this.#waitForCrowd();
  }

  /** Notes what is left after old messages were deleted. */
  pruned({ first, bytes }: { first: number; bytes: number }): void {
    this.first = first;
    this.bytes = bytes;
  }

  /** Goes on with a client whose connection takes more again. */
  drained(client: Client): void {
    this.#give(client);
    this.#trimTail();
  }

  /** Gives a client what it can take of what it has not yet got. */
  #give(client: Client): void {
    if (client.reading) return;
    while (client.cursor < this.head && !client.writer.congested) {
      const batch = this.#inTail(client.cursor + 1);
      if (batch === undefined) {
        this.#setBehind(client, true);
        void this.#readLog(client);
        return;
      }
      client.writer.send(batch.framesFor(client, client.cursor + 1));
      this.#advance(client, batch.last);
    }
    this.#setBehind(client, client.cursor < this.head);
    if (!client.behind) client.caughtUp();
  }

  #advance(client: Client, last: number): void {
    this.#counters.messagesOut += last - client.cursor;
    client.cursor = last;
  }

  async #readLog(client: Client): Promise<void> {
    client.reading = true;
    this.#counters.catchUps += 1;
    try {
      const chunk = await this.#log.read(this.id, client.cursor, READ_BYTES);
      client.reading = false;
      if (!this.#clients.has(client)) return;
      if (chunk === undefined) {
        client.cursor = this.head;
      } else {
        client.writer.send(chunk.frames);
        this.#counters.messagesOut += chunk.last - chunk.first + 1;
        client.cursor = chunk.last;
      }
      this.#give(client);
    } catch (error) {
      client.reading = false;
      client.failed(error);
    }
  }

  /** The batch of the tail that has message `seq` in it. */
  #inTail(seq: number): MessageBatch<Client> | undefined {
    const tail = this.#tail;
    for (let index = tail.length - 1; index >= 0; index -= 1) {
      const batch = tail[index]!;
      if (batch.first <= seq) return batch.last >= seq ? batch : undefined;
    }
    return undefined;
  }

  /** Keeps of the tail what somebody may still need and what there is room for. */
  #trimTail(): void {
    let drop = this.#behind === 0 ? this.#tail.length : 0;
    let bytes = this.#tail.slice(drop).reduce((sum, { frames }) => sum + frames.length, 0);
    const others = this.#tails.bytes - this.#tailBytes;
    while (bytes > TAIL_BYTES || (bytes > 0 && others + bytes > ALL_TAILS_BYTES)) {
      bytes -= this.#tail[drop]!.frames.length;
      drop += 1;
    }
    if (drop > 0) this.#tail.splice(0, drop);
    this.#tails.bytes = others + bytes;
    this.#tailBytes = bytes;
  }

  #setBehind(client: Client, behind: boolean): void {
    if (client.behind === behind) return;
    client.behind = behind;
    this.#behind += behind ? 1 : -1;
    if (client.live) this.#lagging += behind ? 1 : -1;
    if (this.#lagging * 2 <= this.#clients.size) this.#calm();
  }

  #waitForCrowd(): void {
    this.#crowdTimer?.[Symbol.dispose]();
    this.#crowdTimer = this.#clock.after(CROWD_MS, () => this.#calm());
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
