import { toHex } from '../bytes.ts';
import type { Sender, Transcript } from '../encryption/transcript.ts';
import type { StateStore } from './state-store.ts';

/** Of messages that the user has not confirmed; beyond it none is handed over. */
const MAX_UNCONFIRMED = 1024;
const MAX_UNCONFIRMED_BYTES = 2 * 1024 * 1024;

/** What becomes durable together: a message that the user must confirm, and what followed it that needs no confirmation. */
type Step = {
  /** The place to be confirmed; 0 if nothing is. */
  readonly confirmation: number;
  /** Of the message there. */
  readonly bytes: number;
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
  #unconfirmedBytes = 0;

  constructor(store: StateStore, floor: number) {
    this.#store = store;
    this.#floor = floor;
  }

  /** Forgets what was not yet written, and writes nothing until `release`. */
  hold(): void {
    this.#steps.length = 0;
    this.#unconfirmed = 0;
    this.#unconfirmedBytes = 0;
    this.#floor = Number.POSITIVE_INFINITY;
  }

  /** Goes on writing, whatever is on disk. */
  release(): void {
    this.#floor = 0;
  }

  /** Whether so much was handed over and not confirmed that no more is to follow. */
  get isBehind(): boolean {
    return this.#unconfirmed >= MAX_UNCONFIRMED || this.#unconfirmedBytes >= MAX_UNCONFIRMED_BYTES;
  }

  /**
   * Notes the place that a transcript has reached.
   * @param senders who changed
   * @param acknowledged the last acknowledged number of one's own
   * @param bytes of the message at this place, if the user has to confirm it
   */
  note(transcript: Transcript, senders: Iterable<Sender>, acknowledged: number, bytes?: number): void {
    const { seq, hash, complete } = transcript;
    const last = this.#steps.at(-1);
    const changed = Array.from(senders, (sender): [string, Sender] => [toHex(sender.member), sender]);
    if (bytes !== undefined || last === undefined) {
      const confirmation = bytes === undefined ? 0 : seq;
      const step = { seq, hash, complete, acknowledged, senders: new Map(changed) };
      this.#steps.push({ ...step, confirmation, bytes: bytes ?? 0 });
      this.#unconfirmed += bytes === undefined ? 0 : 1;
      this.#unconfirmedBytes += bytes ?? 0;
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
    this.#unconfirmedBytes -= done.reduce((sum, { bytes }) => sum + bytes, 0);
    if (last.seq < this.#floor) return;
    const senders = new Map(done.flatMap((step) => [...step.senders]));
    this.#store.advance({ ...last, senders: senders.values() });
  }
}
