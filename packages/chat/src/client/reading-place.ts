import { equalBytes, toHex } from '../bytes.ts';
import type { ChatCrypto } from '../crypto.ts';
import type { Finding } from '../encryption/finding.ts';
import { type Delivery, type SavedTranscript, type Sender, Transcript } from '../encryption/transcript.ts';
import type { MemberId } from './client-events.ts';
import { Progress } from './progress.ts';
import type { StateStore } from './state-store.ts';

/**
 * How far one has read, in memory and on disk. Usually the one follows the other. Two ways of reading the room once more are
 * different: the user asks for what was read before (`since`), or the room is read from its start because the server has fallen behind.
 */
export class ReadingPlace {
  readonly #crypto: ChatCrypto;
  readonly #genesis: Uint8Array;
  readonly #store: StateStore;
  readonly #progress: Progress;
  /** What was on disk when the process began; nothing, once the room is read from its start. */
  #saved: SavedTranscript;
  #handedOver: number;
  #transcript: Transcript;
  /** Whether what is on disk is being read again, because the user asked for it. */
  #rereading: boolean;
  /** Whether nothing was read yet, so that the place is only what the user asked for. */
  #untouched: boolean;
  /** Whether the room is read from its start; on disk nothing changes until that is done. */
  #restoring = false;
  /** The last number of each sender before that. */
  readonly #readBefore = new Map<MemberId, number>();

  /** @param since the place that the user asked for */
  constructor(crypto: ChatCrypto, genesis: Uint8Array, store: StateStore, since: number | undefined) {
    this.#crypto = crypto;
    this.#genesis = genesis;
    this.#store = store;
    this.#saved = store.transcript();
    this.#handedOver = store.handedOver();
    const { seq } = this.#saved;
    this.#progress = new Progress(store, seq);
    const start = seq === 0 ? (since ?? 0) : Math.min(since ?? seq, seq);
    this.#untouched = seq === 0;
    this.#rereading = start < seq;
    this.#transcript = this.#transcriptAt(start);
  }

  get transcript(): Transcript {
    return this.#transcript;
  }

  get seq(): number {
    return this.#transcript.seq;
  }

  /** The last place that the server has delivered, now or in an earlier run. */
  get reached(): number {
    return Math.max(this.#saved.seq, this.#untouched ? 0 : this.seq);
  }

  /** Whether the user has to confirm what was handed over before more follows. */
  get isBehind(): boolean {
    return this.#progress.isBehind;
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
    return seq > this.#saved.seq && seq <= this.#handedOver;
  }

  /**
   * After the transcript took a message.
   * @param acknowledged the last number of one's own that is acknowledged
   * @param bytes of it, if the user has to confirm it
   * @returns what was noticed
   */
  advance(member: Uint8Array, acknowledged: number, bytes?: number): Finding | undefined {
    this.#untouched = false;
    const sender = this.#transcript.sender(member);
    return this.note(sender === undefined ? [] : [sender], acknowledged, bytes);
  }

  /** As `advance`, where places were skipped; `senders` are those that changed. */
  note(senders: Iterable<Sender>, acknowledged: number, bytes?: number): Finding | undefined {
    const ends = this.#rereading && this.seq >= this.#saved.seq;
    const finding = ends ? this.#endRereading() : undefined;
    this.#progress.note(this.#transcript, senders, acknowledged, bytes);
    return finding;
  }

  /** See `ChatClient.confirm`. @throws {ChatError} CHAT_STATE_UNUSABLE */
  confirm(seq: number): void {
    this.#progress.confirm(seq);
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
    this.#store.forgetHandedOver();
    this.#progress.hold();
  }

  /** All that is in the room has been read. */
  becomeLive(acknowledged: number): void {
    if (!this.#restoring) return;
    this.#restoring = false;
    this.#progress.release();
    this.note(this.#transcript.senders, acknowledged);
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
      return undefined;
    }
    const changed = differs(this.#transcript, saved);
    this.#transcript = this.#transcriptAt(saved.seq);
    if (!changed) return undefined;
    const text = 'The server shows another history of this room than before. Do not trust this server.';
    return { code: 'HISTORY_DIFFERS', text, seq: saved.seq, member: undefined };
  }
}

function differs(read: Transcript, saved: SavedTranscript): boolean {
  if (read.hash !== undefined && saved.hash !== undefined && !equalBytes(read.hash, saved.hash)) return true;
  return saved.senders.some(({ member, n }) => (read.sender(member)?.n ?? n) !== n);
}
