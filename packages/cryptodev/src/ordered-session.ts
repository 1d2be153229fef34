/** What the sessions of devices have in common: order, and an end. */
import type { Completion } from './completion.ts';

export abstract class OrderedSession {
  /** Settles when the last operation so far has ended; absent when none is under way. */
  #pending: Promise<void> | undefined;
  #isEnded = false;

  /** Resolves when nothing is under way; undefined if nothing is. */
  get pending(): Promise<void> | undefined {
    return this.#pending;
  }

  /** Closed or abandoned: operations that were still waiting must not start. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Makes later operations wait for `outcome`. @returns it */
  hold(outcome: Promise<number>): Promise<number> {
    const settle = (): void => {
      if (this.#pending === settled) this.#pending = undefined;
    };
    const settled: Promise<void> = outcome.then(settle, settle);
    this.#pending = settled;
    return outcome;
  }

  /** Wipes keys and state; after what is under way. */
  close(): Completion<void> {
    if (this.#pending !== undefined) return this.#pending.then(() => this.close());
    this.#isEnded = true;
    this.release();
  }

  /** Operations that have not started never will, and then `close`. */
  abandon(): Completion<void> {
    this.#isEnded = true;
    return this.close();
  }

  /** Closes what the engine has of it, and wipes the rest. */
  protected abstract release(): void;
}
