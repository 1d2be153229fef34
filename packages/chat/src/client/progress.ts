import { toHex } from '../encryption/bytes.ts';
import type { Sender, Transcript } from '../encryption/transcript.ts';
import type { StateStore } from './state-store.ts';

/** What becomes durable together: a message that the user must confirm, and what followed it that needs no confirmation. */
type Step = {
  /** The place to be confirmed; 0 if nothing is. */
  readonly confirmation: number;
  seq: number;
  hash: Uint8Array | undefined;
  complete: boolean;
  acknowledged: number;
  readonly senders: Map<string, Sender>;
};

/**
 * Advances the state on disk behind the user: never past a message that was not confirmed.
 */
export class Progress {
  readonly #store: StateStore;
  /** What is on disk already, and read again: not written. */
  #floor: number;
  readonly #steps: Step[] = [];
  #unconfirmed = 0;

  constructor(store: StateStore, floor: number) {
    this.#store = store;
    this.#floor = floor;
  }

  /** Forgets what was not yet written, and writes nothing until `release`. */
  hold(): void {
    this.#steps.length = 0;
    this.#unconfirmed = 0;
    this.#floor = Number.POSITIVE_INFINITY;
  }

  /** Goes on writing, whatever is on disk. */
  release(): void {
    this.#floor = 0;
  }

  /** Messages that were handed over and not confirmed. */
  get unconfirmed(): number {
    return this.#unconfirmed;
  }

  /**
   * Notes the place that a transcript has reached.
   * @param senders who changed
   * @param acknowledged the last acknowledged number of one's own
   * @param confirm whether the user has to confirm the message at this place
   */
  note(transcript: Transcript, senders: Iterable<Sender>, acknowledged: number, confirm: boolean): void {
    const { seq, hash, complete } = transcript;
    const last = this.#steps.at(-1);
    const changed = Array.from(senders, (sender): [string, Sender] => [toHex(sender.member), sender]);
    if (confirm) this.#unconfirmed += 1;
    if (confirm || last === undefined) {
      const confirmation = confirm ? seq : 0;
      this.#steps.push({ confirmation, seq, hash, complete, acknowledged, senders: new Map(changed) });
      return;
    }
    Object.assign(last, { seq, hash, complete, acknowledged });
    for (const [id, sender] of changed) last.senders.set(id, sender);
  }

  /** Writes what no unconfirmed message stands before. @throws {ChatError} CHAT_STATE_UNUSABLE */
  confirm(upTo: number): void {
    const count = this.#steps.findIndex(({ confirmation }) => confirmation > upTo);
    const done = this.#steps.splice(0, count < 0 ? this.#steps.length : count);
    const last = done.at(-1);
    if (last === undefined) return;
    this.#unconfirmed -= done.filter(({ confirmation }) => confirmation > 0).length;
    if (last.seq < this.#floor) return;
    const senders = new Map(done.flatMap((step) => [...step.senders]));
    this.#store.advance({ ...last, senders: senders.values() });
  }
}
