import { encodeFrame } from '../protocol/frames.ts';
import type { ConnectionWriter } from './connection-writer.ts';
import type { Cursor, Delivery, Reader } from './delivery.ts';
import type { MemberNumber } from './member-numbers.ts';
import type { Sender } from './message-batch.ts';
import type { Audience, Presence } from './presence.ts';
import { Publisher, type PublisherClient, type Publishing, type PublishLimits } from './publisher.ts';

/** Who takes a seat. */
export interface Who {
  /** Hex of the member's id, and the id, in memory of its own. */
  readonly member: string;
  readonly memberBytes: Uint8Array;
  /** The version of the protocol that its connection speaks. */
  readonly version: number;
}

/** What a seat, and its room, need of the connection that has it. */
export interface SeatClient extends PublisherClient {
  readonly writer: ConnectionWriter;
  /** Ends the connection: the room cannot go on with it. */
  failed(error: unknown): void;
  /** Ends the connection: its member has joined by another. */
  replaced(): void;
}

/** What a JOINED says. */
export interface Joined {
  readonly head: number;
  readonly first: number;
  readonly lastN: number;
  readonly lastHash: Uint8Array;
}

/** What a seat needs of its room. */
export interface SeatRoom extends Publishing {
  readonly id: string;
  readonly limits: PublishLimits;
  readonly delivery: Delivery<Sender>;
  readonly presence: Presence;
  /** Resolves when all that a member has published is stored or dropped. Rejects with what is wrong with the room. */
  ready(member: string, number: MemberNumber): Promise<Joined>;
  /** Where a client begins that has all up to `since`. */
  placeFor(since: number): number;
  /** A seat is no longer taken. @returns whether another connection of its member has one */
  left(seat: Seat): boolean;
}

/**
 * One connection's place in a room, from the moment when it wants to join.
 *
 * 1. Whoever takes a seat MUST `leave` it, once, when the connection is over, whatever became of the rest.
 * 2. After `join` has resolved, the connection sends JOINED and calls `begin` in the same turn, if it still is there.
 * 3. Nothing is given to a client, and nothing taken from it, before `begin` and after `leave`.
 */
export class Seat implements Reader<Sender>, Audience {
  readonly member: string;
  readonly memberBytes: Uint8Array;
  readonly version: number;
  readonly client: SeatClient;
  readonly #room: SeatRoom;
  readonly #number: MemberNumber;
  #publisher: Publisher | undefined;
  #cursor: Cursor<Sender> | undefined;
  #live = false;
  #left = false;

  constructor(room: SeatRoom, who: Who, client: SeatClient) {
    this.#room = room;
    this.#number = room.numbers.hold(who.member);
    this.member = who.member;
    this.memberBytes = who.memberBytes;
    this.version = who.version;
    this.client = client;
  }

  /** Hex of the room's id. */
  get room(): string {
    return this.#room.id;
  }

  get writer(): ConnectionWriter {
    return this.client.writer;
  }

  /** Whose messages are its own. */
  get sender(): Sender {
    return this.#publisher!;
  }

  /** Waits until it is certain what the member has said. Rejects with ProtocolError NO_SUCH_ROOM, or what is wrong with the room. */
  join(): Promise<Joined> {
    return this.#room.ready(this.member, this.#number);
  }

  /** Begins to give and to take messages. @param since the last place that the client has */
  begin(since: number): void {
    if (this.#left) return;
    const { limits, delivery, presence } = this.#room;
    this.#publisher = new Publisher(this, this.#number, this.client, this.#room, limits);
    this.#cursor = delivery.add(this, this.#room.placeFor(since));
    // What was given at once may have been all that there is.
    if (this.#cursor.live) this.caughtUp();
    presence.came(this);
  }

  /** @throws {ProtocolError} FRAME_TOO_LARGE, GAP */
  publish(n: number, envelope: Uint8Array): void {
    this.#publisher?.publish(n, envelope);
  }

  /** As `publish`, for the place behind `head` or none. */
  publishAt(head: number, n: number, envelope: Uint8Array): void {
    this.#publisher?.publishAt(head, n, envelope);
  }

  /** Its connection takes more again. */
  drained(): void {
    if (this.#cursor !== undefined) this.#room.delivery.drained(this.#cursor);
  }

  /** Whether nothing may be published now: others have to catch up first, or a repetition waits for its answer. */
  get heldUp(): boolean {
    if (this.#publisher === undefined) return false;
    return this.#publisher.waiting || this.#room.delivery.crowded;
  }

  /** Calls `work` when that is over. */
  whenFree(work: () => void): void {
    if (this.#publisher?.waiting) this.#publisher.whenAnswered(work);
    else this.#room.delivery.whenCalm(work);
  }

  leave(): void {
    if (this.#left) return;
    this.#left = true;
    const { numbers, delivery, presence } = this.#room;
    if (this.#cursor !== undefined) delivery.remove(this.#cursor);
    numbers.release(this.member);
    presence.left(this, this.#room.left(this));
  }

  // What its room tells it

  caughtUp(): void {
    if (this.#cursor === undefined) return;
    if (!this.#live) {
      this.#live = true;
      this.writer.send(encodeFrame({ type: 'live', seq: this.#cursor.place }));
    }
    this.#room.presence.caughtUp(this);
  }

  failed(error: unknown): void {
    this.client.failed(error);
  }

  /** What it published and is not stored is dropped, for want of space. */
  refuse(text: string): void {
    this.#publisher?.refuse(text);
  }
}
