import { equalBytes, toHex } from '../bytes.ts';
import type { ChatCrypto } from '../crypto.ts';
import type { ChainPosition } from '../encryption/envelope.ts';
import type { Finding } from '../encryption/finding.ts';
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
 * How far one has read, in memory and on disk. Usually the one follows the other. Two ways of reading the room once more are
 * different: the user asks for what was read before (`since`), or the room is read from its start because the server has fallen behind.
 *
 * 1. Where the room is read once more, nothing MUST be stored until one is again where one was before, or has read all.
 * 2. `position`, which others are told, MUST be one that is stored, or that was stored before.
 */
export class ReadingPlace {
  readonly #crypto: ChatCrypto;
  readonly #genesis: Uint8Array;
  /** What was on disk when the process began; nothing, once the room is read from its start. */
  #saved: SavedTranscript;
  #handedOver: number;
  #again: ReadonlySet<number>;
  #transcript: Transcript;
  #position: ChainPosition;
  /** Whether what is on disk is being read again, because the user asked for it. */
  #rereading: boolean;
  /** Whether nothing was read yet, so that the place is only what the user asked for. */
  #untouched: boolean;
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
    this.#again = new Set(saved.messages.map(({ seq }) => seq));
    const { seq } = this.#saved;
    const start = seq === 0 ? (since ?? 0) : Math.min(since ?? seq, seq);
    this.#untouched = seq === 0;
    this.#rereading = start < seq;
    this.#transcript = this.#transcriptAt(start);
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

  /** Messages up to this place need not be stored to be handed over again: they were confirmed before, or are stored. */
  get floor(): number {
    return this.#saved.seq;
  }

  /** Whether what is read is stored. */
  get isStoring(): boolean {
    return !this.#rereading && !this.#restoring;
  }

  /** One cannot be further than where the room ends. */
  limit(head: number): void {
    if (head < this.seq) this.#transcript = this.#transcriptAt(head);
  }

  /** Whether the message was read before one began to read the room from its start. */
  wasRead({ member, n }: Delivery): boolean {
    return n <= (this.#readBefore.get(toHex(member)) ?? 0);
  }

  /** Whether an earlier process handed over the message at this place, and ended before it was confirmed. */
  wasHandedOver(seq: number): boolean {
    return this.#again.has(seq) || (seq > this.#saved.seq && seq <= this.#handedOver);
  }

  /**
   * After the transcript took a message of this member.
   * @returns what was noticed
   */
  advanced(member: Uint8Array): Finding | undefined {
    this.#untouched = false;
    const sender = this.#transcript.sender(member);
    return this.skipped(sender === undefined ? [] : [sender]);
  }

  /** As `advanced`, where places were skipped; `senders` are those that changed. */
  skipped(senders: Iterable<Sender>): Finding | undefined {
    this.#moved = true;
    if (this.#rereading && this.seq >= this.#saved.seq) return this.#endRereading();
    for (const sender of senders) this.#changed.set(toHex(sender.member), sender);
    return undefined;
  }

  /** What is to be stored, once. */
  takeChanges(): StateChange[] {
    if (!this.#moved || !this.isStoring) return [];
    const { seq, hash, complete } = this.#transcript;
    const senders = Array.from(this.#changed.values(), (sender): StateChange => ({ kind: 'sender', sender }));
    this.#moved = false;
    this.#changed.clear();
    return [{ kind: 'place', seq, hash, complete }, ...senders];
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
    this.#rereading = false;
    this.#handedOver = 0;
    this.#again = new Set();
    this.#changed.clear();
    this.#moved = false;
  }

  /**
   * All that is in the room has been read.
   * @returns whether it was read from its start, so that now it counts
   */
  becomeLive(): boolean {
    if (!this.#restoring) return false;
    this.#restoring = false;
    this.skipped(this.#transcript.senders);
    return true;
  }

  #transcriptAt(seq: number): Transcript {
    const known = seq === this.#saved.seq ? this.#saved : Transcript.startingAt(seq);
    return new Transcript(this.#crypto, this.#genesis, known);
  }

  /** Where one had come to before, what one read again must be what one read then. */
  #endRereading(): Finding | undefined {
    this.#rereading = false;
    const saved = this.#saved;
    if (this.seq !== saved.seq) {
      for (const sender of saved.senders) {
        if (this.#transcript.sender(sender.member) === undefined)
          this.#transcript.learn({ ...sender, mayJump: true });
      }
      for (const sender of this.#transcript.senders) this.#changed.set(toHex(sender.member), sender);
      return undefined;
    }
    const changed = differs(this.#transcript, saved);
    this.#transcript = this.#transcriptAt(saved.seq);
    this.#changed.clear();
    if (!changed) return undefined;
    const text = 'The server shows another history of this room than before. Do not trust this server.';
    return { code: 'HISTORY_DIFFERS', text, seq: saved.seq, member: undefined };
  }
}

function differs(read: Transcript, saved: SavedTranscript): boolean {
  if (read.hash !== undefined && saved.hash !== undefined && !equalBytes(read.hash, saved.hash)) return true;
  return saved.senders.some(({ member, n }) => (read.sender(member)?.n ?? n) !== n);
}
