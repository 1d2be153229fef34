/** Engines of this process answer at once, others with a promise: how to go on without paying for the latter. */

export type Completion<T> = T | Promise<T>;

/** Calls `next` with the value: at once if it is there, otherwise when it comes. */
export function andThen<T, R>(value: Completion<T>, next: (value: T) => Completion<R>): Completion<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** What `action` comes to; if it fails, now or later, what `fail` makes of the error. */
export function attempt<T>(action: () => Completion<T>, fail: (error: unknown) => T): Completion<T> {
  try {
    const outcome = action();
    return outcome instanceof Promise ? outcome.catch(fail) : outcome;
  } catch (error) {
    return fail(error);
  }
}
