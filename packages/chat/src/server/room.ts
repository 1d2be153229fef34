import type { Batch, MessageLog } from '../log/message-log.ts';
import { ProtocolError } from '../protocol/protocol-error.ts';
import { Delivery, type DeliveryParts } from './delivery.ts';
import { type MemberNumber, MemberNumbers } from './member-numbers.ts';
import type { Sender } from './message-batch.ts';
import { Presence } from './presence.ts';
import type { PublishLimits } from './publisher.ts';
import { RoomWriter, type RoomWriterEvents, type RoomWriterParts } from './room-writer.ts';
import { type Joined, Seat, type SeatClient, type SeatRoom, type Who } from './seat.ts';
import type { StorageSpace } from './storage-space.ts';
import type { StoredBatch } from './stored-batch.ts';

/** How often the log is asked again for a state that messages have overtaken. */
const REFRESH_TRIES = 3;

export interface RoomParts extends RoomWriterParts, DeliveryParts {
  readonly limits: PublishLimits;
  readonly presenceDelayMs: number;
  readonly space: StorageSpace;
}

/** Whom a room tells about itself. All calls are synchronous: what is true when they are made is true when they are heard. */
export interface RoomEvents {
  /** Nothing of it waits to be stored any more. */
  settled(room: Room): void;
  /** Nobody is in it, and nothing waits: it may be forgotten. */
  unused(room: Room): void;
  /** It has failed: it must be forgotten at once. */
  failed(room: Room, error: unknown): void;
}

/**
 * A room in which somebody is, or wants to be.
 *
 * 1. It is opened from the log when it is made. Seats may be taken from then on; what is wrong with the room is told to all of them.
 * 2. A member has one seat: who takes another ends the connection that has the older one.
 * 3. It ends once, by `close` when it is unused, or by failing: then every connection in it is ended, and no other.
 *    It is never opened again; the next who comes gets another `Room`.
 * 4. `head`, `first` and `bytes` are written here alone: from the log when it is opened, by what its writer brings, and by
 *    `refresh` if the log speaks of the same head.
 *
 * Its parts know each other through it alone: `RoomWriter` (to the log), `MemberNumbers` (who has said how much), `Delivery` (to
 * the clients), `Presence`.
 */
export class Room implements SeatRoom {
  /** Hex of the room id. */
  readonly id: string;
  readonly limits: PublishLimits;
  readonly numbers = new MemberNumbers();
  readonly presence: Presence;
  readonly #log: MessageLog;
  readonly #parts: RoomParts;
  readonly #events: RoomEvents;
  readonly #seats = new Map<string, Seat>();
  /** Resolves when it is open, or has failed. */
  readonly #opened: Promise<void>;
  #delivery: Delivery<Sender> | undefined;
  #writer: RoomWriter<Sender> | undefined;
  /** Last sequence number that is stored, the smallest that is kept, and the bytes of what is kept. */
  #head = 0;
  #first = 1;
  #stored = 0;
  #closed = false;
  #failure: unknown;

  constructor(id: string, parts: RoomParts, events: RoomEvents) {
    this.id = id;
    this.limits = parts.limits;
    this.presence = new Presence(parts.clock, parts.presenceDelayMs);
    this.#log = parts.log;
    this.#parts = parts;
    this.#events = events;
    this.#opened = this.#open();
  }

  /** Whether nothing waits to be stored. */
  get settled(): boolean {
    return this.#writer === undefined || this.#writer.idle;
  }

  /** Bytes that it keeps, and those that wait to be kept. */
  get bytes(): number {
    return this.#stored + (this.#writer?.bytes ?? 0);
  }

  get head(): number {
    return this.#head;
  }

  get delivery(): Delivery<Sender> {
    return this.#delivery!;
  }

  /** Takes a seat for a connection, the only one of its member from now on. */
  enter(who: Who, client: SeatClient): Seat {
    const older = this.#seats.get(who.member);
    const seat = new Seat(this, who, client);
    this.#seats.set(who.member, seat);
    older?.client.replaced();
    return seat;
  }

  /** Looks whether the log has answered in time. Called every second or so. */
  tick(now: number): void {
    this.#writer?.tick(now);
    this.#delivery?.tick(now);
  }

  /** Asks the log what is kept, after old messages were deleted. Rejects with LogError. */
  async refresh(): Promise<void> {
    for (let tries = 0; tries < REFRESH_TRIES; tries += 1) {
      const state = await this.#parts.questions.ask(() => this.#log.roomState(this.id));
      if (state === undefined || this.#closed) return;
      // Of another head it says nothing certain about what came since.
      if (state.head !== this.#head) continue;
      this.#first = state.first;
      this.#stored = state.bytes;
      return;
    }
  }

  /** Ends it. Nobody may be in it. */
  close(): void {
    this.#closed = true;
    this.#writer?.close();
    this.#delivery?.close();
    this.presence.close();
  }

  // What its seats need

  async ready(member: string, number: MemberNumber): Promise<Joined> {
    await this.#opened;
    this.#check();
    // What an older connection of the member published may still be on its way.
    if (number.accepted > number.stored.n) {
      await new Promise<void>((resolve) => this.numbers.whenSettled(member, resolve));
      this.#check();
    }
    const last = await this.#parts.questions.ask(() => this.#log.lastOf(this.id, member));
    this.#check();
    // The larger counts: the log may have brought one since it was asked.
    this.numbers.stored(member, last);
    const { n, hash } = number.stored;
    return { head: this.#head, first: this.#first, lastN: n, lastHash: hash };
  }

  placeFor(since: number): number {
    return Math.min(Math.max(since, this.#first - 1), this.#head);
  }

  accept(sender: Sender, n: number, envelope: Uint8Array): void {
    if (this.#writer === undefined || this.#closed) return;
    this.numbers.accept(sender.member, n);
    this.#writer.accept(sender, n, envelope);
  }

  acceptAt(head: number, sender: Sender, n: number, envelope: Uint8Array): boolean {
    if (this.#writer === undefined || this.#closed || !this.#writer.isFree(head)) return false;
    this.numbers.accept(sender.member, n);
    this.#writer.acceptAt(head, sender, n, envelope);
    return true;
  }

  left(seat: Seat): boolean {
    const { member } = seat;
    const current = this.#seats.get(member) === seat;
    if (current) this.#seats.delete(member);
    this.#forgetIfUnused();
    return !current;
  }

  // Opening, and what its writer tells

  async #open(): Promise<void> {
    try {
      const state = await this.#parts.questions.ask(() => this.#log.roomState(this.id));
      if (this.#closed) return;
      if (state === undefined) {
        throw new ProtocolError('NO_SUCH_ROOM', 'This server has no such room. Is it the right server?');
      }
      this.#head = state.head;
      this.#first = state.first;
      this.#stored = state.bytes;
      this.#delivery = new Delivery(this.id, state.head, this.#parts);
      this.#writer = new RoomWriter(this.id, state.head, this.#parts, this.#writerEvents());
      if (this.#closed) this.#writer.close();
    } catch (error) {
      this.#fail(error);
    }
  }

  #writerEvents(): RoomWriterEvents<Sender> {
    return {
      stored: (batch, members) => this.#storedBatch(batch, members),
      give: () => this.#give(),
      full: (senders) => this.#full(senders),
      moved: (sender) => this.numbers.droppedOf(sender.member),
      failed: (error) => this.#fail(error),
      has: (sender, n) => this.numbers.has(sender.member, n),
      over: (sender, count) => this.numbers.over(sender.member, count),
    };
  }

  #storedBatch(batch: StoredBatch<Sender>, members: Batch['members']): void {
    this.#head = batch.last;
    this.#stored += batch.frames.length;
    this.#parts.space.stored();
    this.#parts.counters.messagesIn += batch.last - batch.first + 1;
    for (const { member, last } of members) this.numbers.stored(member, last);
    this.#delivery?.stored(batch);
  }

  #give(): void {
    this.#delivery?.giveAll();
    this.numbers.tell();
    if (!this.settled) return;
    this.#events.settled(this);
    this.#forgetIfUnused();
  }

  #full(senders: ReadonlySet<Sender>): void {
    this.#parts.space.refused();
    this.numbers.dropped();
    for (const seat of this.#seats.values()) {
      if (senders.has(seat.sender)) seat.refuse('The server has no more room for messages.');
    }
  }

  #fail(error: unknown): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#failure = error;
    this.#events.failed(this, error);
    for (const seat of this.#seats.values()) seat.client.failed(error);
    this.numbers.dropped();
    this.numbers.tell();
    this.close();
    this.#events.settled(this);
  }

  #forgetIfUnused(): void {
    if (this.#closed || this.#seats.size > 0 || !this.settled) return;
    this.#events.unused(this);
  }

  #check(): void {
    if (!this.#closed) return;
    if (this.#failure !== undefined) throw this.#failure;
    throw new ProtocolError('SERVER_FAILURE', 'The room was left while it was being joined.');
  }
}
