/** Brings drafts that the client has set aside into the file, and lets the client forget what is safe there. */
import { setImmediate } from 'node:timers/promises';
import type { ChatClient, SetAside } from '@skytale/chat';
import type { UnsentFile } from './unsent-file.ts';

export type SetAsidesOptions = {
  readonly client: Pick<ChatClient, 'discard'>;
  readonly unsent: UnsentFile;
  /** Names a draft, which is in the file. */
  readonly onMoved: (draft: SetAside) => void;
  /** Called with what the file or the client's state failed; what was not moved is still the client's, and comes again next time. */
  readonly onFailed: (error: unknown) => void;
};

/** A draft is in the client's state or in the file at any time; in both only if the process ends just then. */
export class SetAsides {
  readonly #options: SetAsidesOptions;
  /** No more than the client has set aside in its state. */
  #drafts: SetAside[] = [];
  #moving: Promise<void> | undefined;

  constructor(options: SetAsidesOptions) {
    this.#options = options;
  }

  /** Takes drafts, and moves them as `move` does. Never throws: the client's listeners must not. */
  add(...drafts: readonly SetAside[]): void {
    this.#drafts.push(...drafts);
    this.move();
  }

  /** Moves what there is, after this turn of the event loop; what comes while a long line is being put into the file waits for its end. */
  move(): void {
    if (!this.#canMove || this.#moving !== undefined) return;
    this.#moving = this.#moveAll()
      .catch(this.#options.onFailed)
      .finally(() => {
        this.#moving = undefined;
        this.move();
      });
  }

  /** Resolves when nothing is being moved. */
  async idle(): Promise<void> {
    while (this.#moving !== undefined) await this.#moving;
  }

  get #canMove(): boolean {
    return this.#drafts.length > 0 && !this.#options.unsent.isWithinLine;
  }

  async #moveAll(): Promise<void> {
    const { client, unsent, onMoved } = this.#options;
    // The client may tell this before who gave it the text has heard which number that has.
    await setImmediate();
    while (this.#canMove) {
      const drafts = this.#drafts;
      this.#drafts = [];
      for (const { text } of drafts) unsent.writeLine(text);
      unsent.sync();
      for (const draft of drafts) onMoved(draft);
      for (const { id } of drafts) await client.discard(id);
    }
  }
}
