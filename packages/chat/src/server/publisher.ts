import { encodeFrame, maxEnvelope } from '../protocol/frames.ts';
import { ProtocolError } from '../protocol/protocol-error.ts';
import type { ConnectionWriter } from './connection-writer.ts';
import type { MemberNumber, MemberNumbers } from './member-numbers.ts';
import { deliverBytes, type Sender } from './message-batch.ts';

const NO_HASH = new Uint8Array(32);

/** Where a publisher's messages go. */
export interface Publishing {
  readonly numbers: MemberNumbers;
  /** Bytes that the room keeps, and those that wait to be kept. */
  readonly bytes: number;
  /** Hands a message on its way to the log. */
  accept(sender: Sender, n: number, envelope: Uint8Array): void;
  /**
   * The same for the place behind `head`, if that is free and nothing is on its way to it; until it is stored or dropped nothing else of
   * the member may be accepted.
   * @returns false if it is not
   */
  acceptAt(head: number, sender: Sender, n: number, envelope: Uint8Array): boolean;
  /** The last place that is stored. */
  readonly head: number;
}

/** The limits of the settings, in bytes; 0: none. */
export interface PublishLimits {
  readonly maxFrameBytes: number;
  readonly maxRoomBytes: number;
}

/** Whom a publisher answers. */
export interface PublisherClient {
  readonly writer: ConnectionWriter;
  sendError(code: 'STORAGE_FULL', text: string): void;
}

/**
 * What a member publishes on one connection.
 *
 * 1. A message whose number follows what was accepted is accepted, or is refused (STORAGE_FULL) and changes nothing: what
 *    was accepted before is still on its way.
 * 2. A number that was accepted is a repetition, and is answered when the first is stored, or was dropped.
 * 3. While a repetition waits, no more may be published: the room holds up its connection (`waiting`).
 * 4. After a refusal (STORAGE_FULL, MOVED), what leaves a hole was under way when that was said, and is dropped without an answer;
 *    otherwise it is an error (GAP).
 * 5. While a message that is for one place only is on its way (`publishAt`), no more may be published either. It is stored there, or
 *    refused (MOVED) and changes nothing.
 */
export class Publisher implements Sender {
  readonly member: string;
  readonly memberBytes: Uint8Array;
  readonly wantsHashes: boolean;
  readonly #number: MemberNumber;
  readonly #client: PublisherClient;
  readonly #room: Publishing;
  readonly #limits: PublishLimits;
  #refused = false;
  #waiting = false;
  #onAnswered: (() => void) | undefined;

  constructor(
    who: { readonly member: string; readonly memberBytes: Uint8Array; readonly version: number },
    number: MemberNumber,
    client: PublisherClient,
    room: Publishing,
    limits: PublishLimits,
  ) {
    this.member = who.member;
    this.memberBytes = who.memberBytes;
    this.wantsHashes = who.version >= 2;
    this.#number = number;
    this.#client = client;
    this.#room = room;
    this.#limits = limits;
  }

  /** Whether a repetition, or what is for one place only, waits for its answer. */
  get waiting(): boolean {
    return this.#waiting;
  }

  /** Calls `work` when it no longer does. */
  whenAnswered(work: () => void): void {
    this.#onAnswered = work;
  }

  /** @throws {ProtocolError} FRAME_TOO_LARGE, GAP */
  publish(n: number, envelope: Uint8Array): void {
    this.#publish(n, envelope, () => {
      this.#refused = false;
      this.#room.accept(this, n, envelope);
    });
  }

  /** The same for the place behind `head` or none. @throws {ProtocolError} as `publish` */
  publishAt(head: number, n: number, envelope: Uint8Array): void {
    this.#publish(n, envelope, () => {
      if (!this.#room.acceptAt(head, this, n, envelope)) {
        this.#moved(n);
        return;
      }
      this.#refused = false;
      this.#whenDecided(n, () => {
        if (n > this.#number.stored.n && !this.#refused) this.#moved(n);
      });
    });
  }

  #publish(n: number, envelope: Uint8Array, accept: () => void): void {
    const longest = maxEnvelope(this.#limits.maxFrameBytes);
    if (envelope.length > longest) {
      throw new ProtocolError(
        'FRAME_TOO_LARGE',
        `An envelope of ${envelope.length} bytes is too large: ${longest} are allowed.`,
      );
    }
    const { accepted } = this.#number;
    if (n <= accepted) {
      this.#repeated(n);
    } else if (n === accepted + 1) {
      if (this.#fits(envelope)) accept();
    } else if (!this.#refused) {
      throw new ProtocolError('GAP', `Message ${n} came where ${accepted + 1} was expected.`);
    }
  }

  /** Says that what is not stored will not be, for want of space. */
  refuse(text: string): void {
    this.#refused = true;
    this.#client.sendError('STORAGE_FULL', text);
  }

  /** Whether the room has space for it; if not, that is said. */
  #fits(envelope: Uint8Array): boolean {
    const { maxRoomBytes } = this.#limits;
    if (maxRoomBytes === 0 || this.#room.bytes + deliverBytes(envelope) <= maxRoomBytes) return true;
    this.refuse(`This room has reached its limit of ${maxRoomBytes} bytes.`);
    return false;
  }

  /** Says that the place is not free. */
  #moved(n: number): void {
    this.#refused = true;
    this.#client.writer.send(encodeFrame({ type: 'moved', n, head: this.#room.head }));
  }

  #repeated(n: number): void {
    if (n <= this.#number.stored.n) {
      this.#answer(n);
      return;
    }
    this.#whenDecided(n, () => {
      // If it was dropped instead, that was said.
      if (n <= this.#number.stored.n) this.#answer(n);
    });
  }

  /** Publishes no more until message `n` is stored or dropped. */
  #whenDecided(n: number, work: () => void): void {
    this.#waiting = true;
    this.#room.numbers.whenStored(this.member, n, () => {
      this.#waiting = false;
      work();
      const onAnswered = this.#onAnswered;
      this.#onAnswered = undefined;
      onAnswered?.();
    });
  }

  /** "Had it before". */
  #answer(n: number): void {
    const { stored } = this.#number;
    const hash = n === stored.n ? stored.hash : NO_HASH;
    const ack = { type: 'ack', n, seq: 0, time: 0 } as const;
    this.#client.writer.send(encodeFrame(this.wantsHashes ? { ...ack, hash } : ack));
  }
}
