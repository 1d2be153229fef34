import { toHex } from '../bytes.ts';
import type { ChatCrypto } from '../crypto.ts';
import type { ChainPosition } from '../encryption/envelope.ts';
import { type Delivery, type SavedTranscript, type Sender, Transcript } from '../encryption/transcript.ts';
import type { MemberId } from './client-events.ts';
import type { SavedState, StateChange } from './state-store.ts';

export type ReadingPlaceOptions = {
  readonly crypto: ChatCrypto;
  /** Of the room, by `genesisOf`. */
  readonly genesis: Uint8Array;
  readonly saved: SavedState;
  /** The place that the user asked for. */
  readonly since: number | undefined;
};

/**
 * How far one has read, in memory and on disk. The one follows the other, unless the room is read from its start because the server has
 * fallen behind.
 *
 * 1. Where the room is read once more, nothing MUST be stored until all is read.
 * 2. `position`, which others are told, MUST be one that is stored, or that was stored before.
 */
export class ReadingPlace {
  readonly #crypto: ChatCrypto;
  readonly #genesis: Uint8Array;
  /** What was on disk when the process began; nothing, once the room is read from its start. */
  #saved: SavedTranscript;
  #handedOver: number;
  #transcript: Transcript;
  #position: ChainPosition;
  /** Whether nothing was read yet, so that the place is only what the user asked for. */
  #untouched: boolean;
  /** The place that a new member begins at; 0 once that is stored. */
  #start: number;
  /** Whether the room is read from its start; on disk nothing changes until that is done. */
  #restoring = false;
  /** What is not on disk yet. */
  #moved = false;
  readonly #changed = new Map<MemberId, Sender>();
  /** The last number of each sender before that. */
  readonly #readBefore = new Map<MemberId, number>();

  constructor({ crypto, genesis, saved, since }: ReadingPlaceOptions) {
    this.#crypto = crypto;
    this.#genesis = genesis;
    this.#saved = { ...saved.place, senders: saved.senders };
    this.#handedOver = saved.handedOver;
    const { seq } = this.#saved;
    this.#untouched = seq === 0;
    this.#start = seq === 0 ? (since ?? 0) : 0;
    this.#transcript = this.#transcriptAt(Math.max(seq, this.#start));
    this.#position = this.#transcript.position;
  }

  get transcript(): Transcript {
    return this.#transcript;
  }

  get seq(): number {
    return this.#transcript.seq;
  }

  /** To be told to others in one's next message. */
  get position(): ChainPosition {
    return this.#position;
  }

  /** The last place that the server has delivered, now or in an earlier run. */
  get reached(): number {
    return Math.max(this.#saved.seq, this.#untouched ? 0 : this.seq);
  }

  /** Whether what is read is stored. */
  get isStoring(): boolean {
    return !this.#restoring;
  }

  /** One cannot be further than where the room ends. */
  limit(head: number): void {
    if (head >= this.seq) return;
    this.#transcript = this.#transcriptAt(head);
    this.#start = head;
  }

  /** Whether the message was read before one began to read the room from its start. */
  wasRead({ member, n }: Delivery): boolean {
    return n <= (this.#readBefore.get(toHex(member)) ?? 0);
  }

  /** Whether an earlier process handed over the message at this place, and ended before it was confirmed. */
  wasHandedOver(seq: number): boolean {
    return seq > this.#saved.seq && seq <= this.#handedOver;
  }

  /** After the transcript took a message of this member. */
  advanced(member: Uint8Array): void {
    this.#untouched = false;
    const sender = this.#transcript.sender(member);
    this.skipped(sender === undefined ? [] : [sender]);
  }

  /** As `advanced`, where places were skipped; `senders` are those that changed. */
  skipped(senders: Iterable<Sender>): void {
    this.#moved = true;
    for (const sender of senders) this.#changed.set(toHex(sender.member), sender);
  }

  /** What is to be stored, once. */
  takeChanges(): StateChange[] {
    if (!this.#moved || !this.isStoring) return [];
    const { seq, hash, complete } = this.#transcript;
    const senders = Array.from(this.#changed.values(), (sender): StateChange => ({ kind: 'sender', sender }));
    this.#moved = false;
    this.#changed.clear();
    // What a new member did not ask for is not here.
    const start: StateChange[] = this.#start > 0 ? [{ kind: 'forgotten', key: this.#start }] : [];
    this.#start = 0;
    return [{ kind: 'place', seq, hash, complete }, ...senders, ...start];
  }

  /** What was taken is stored. */
  stored(): void {
    this.#position = this.#transcript.position;
  }

  /** Goes back to the start of the room, to read all of it, and to show what was not read before. */
  startOver(): void {
    for (const { member, n } of [...this.#saved.senders, ...this.#transcript.senders]) {
      const id = toHex(member);
      this.#readBefore.set(id, Math.max(n, this.#readBefore.get(id) ?? 0));
    }
    this.#saved = Transcript.startingAt(0);
    this.#transcript = this.#transcriptAt(0);
    this.#restoring = true;
    this.#handedOver = 0;
    this.#start = 0;
    this.#changed.clear();
    this.#moved = false;
  }

  /** All that is in the room has been read. If it was read from its start, it counts now. */
  becomeLive(): void {
    if (!this.#restoring) return;
    this.#restoring = false;
    this.skipped(this.#transcript.senders);
  }

  #transcriptAt(seq: number): Transcript {
    const known = seq === this.#saved.seq ? this.#saved : Transcript.startingAt(seq);
    return new Transcript(this.#crypto, this.#genesis, known);
  }
}
