/** Runs operations one after another, in the order of the calls. */
import type { Completion } from './completion.ts';

export class SerialQueue {
  /** Settles, and never fails, when the last operation so far has ended; absent when none is under way. */
  #last: Promise<void> | undefined;

  /** Runs `operation` when all before it have ended: at once, if nothing is under way. */
  async run<T>(operation: () => Completion<T>): Promise<T> {
    const result = this.#last === undefined ? operation() : this.#last.then(operation);
    if (result instanceof Promise) this.#follow(result);
    return await result;
  }

  #follow(result: Promise<unknown>): void {
    const ended = (): void => {
      if (this.#last === last) this.#last = undefined;
    };
    const last = result.then(ended, ended);
    this.#last = last;
  }
}
