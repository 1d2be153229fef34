import { textBytes } from '../encryption/content.ts';
import type { ChatMessage } from './client-events.ts';
import type { HistoryBound } from './state-store.ts';

/** Of messages that the user has not confirmed; beyond it none is handed over. */
const MAX_UNCONFIRMED = 1024;
const MAX_UNCONFIRMED_BYTES = 2 * 1024 * 1024;

type Handed = {
  readonly key: number;
  readonly bytes: number;
  /** What is to be stored of it; `undefined` once it is. */
  message: ChatMessage | undefined;
};

/**
 * Messages that were handed over to the user and not confirmed, oldest first. They are marked on disk until they are, to be handed over
 * again by the next process.
 *
 * Costs the same for each message, however many there are.
 */
export class Unconfirmed {
  readonly #handed: Handed[] = [];
  #bytes = 0;

  /** Whether there are so many that no more is to follow. */
  get isFull(): boolean {
    return this.#handed.length >= MAX_UNCONFIRMED || this.#bytes >= MAX_UNCONFIRMED_BYTES;
  }

  /** @param isStored whether it is on disk already, from an earlier process */
  add(message: ChatMessage, isStored: boolean): void {
    const { key, text } = message;
    const bytes = textBytes(text);
    this.#handed.push({ key, bytes, message: isStored ? undefined : message });
    this.#bytes += bytes;
  }

  /** Takes those that are to be stored. */
  takeUnstored(): ChatMessage[] {
    const unstored: ChatMessage[] = [];
    for (let at = this.#handed.length - 1; at >= 0; at -= 1) {
      const handed = this.#handed[at]!;
      if (handed.message === undefined) break;
      unstored.push(handed.message);
      handed.message = undefined;
    }
    return unstored.reverse();
  }

  /** @returns how many there were up to this key, and of how many bytes */
  confirm(key: number): HistoryBound {
    const count = this.#handed.findIndex((handed) => handed.key > key);
    const done = this.#handed.splice(0, count < 0 ? this.#handed.length : count);
    const bytes = done.reduce((sum, handed) => sum + handed.bytes, 0);
    this.#bytes -= bytes;
    return { messages: done.length, bytes };
  }
}
