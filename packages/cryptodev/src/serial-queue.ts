/** Runs operations one after another, in the order of the calls. */
import type { Completion } from './completion.ts';

export class SerialQueue {
  readonly #toError: (error: unknown) => unknown;
  /** Settles, and never fails, when the last operation so far has ended; absent when none is under way. */
  #last: Promise<void> | undefined;

  /** @param toError what callers are told in place of what an operation throws */
  constructor(toError: (error: unknown) => unknown = (error) => error) {
    this.#toError = toError;
  }

  /** Whether nothing is under way. */
  get isIdle(): boolean {
    return this.#last === undefined;
  }

  /** Runs `operation` when all before it have ended: at once, if nothing is under way. */
  run<T>(operation: () => Completion<T>): Promise<T> {
    if (this.#last !== undefined) return this.#follow(this.#last.then(operation));
    try {
      const result = operation();
      return result instanceof Promise ? this.#follow(result) : Promise.resolve(result);
    } catch (error) {
      return Promise.reject(this.#toError(error));
    }
  }

  #follow<T>(result: Promise<T>): Promise<T> {
    const ended = (): void => {
      if (this.#last === last) this.#last = undefined;
    };
    const last = result.then(ended, ended);
    this.#last = last;
    return result.catch((error) => {
      throw this.#toError(error);
    });
  }
}
