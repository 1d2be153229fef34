/**
 * Time, as server and client use it. A simulation has one that it turns itself; so nothing in this package asks the
 * machine for the time, or for a turn of the event loop, in another way.
 */
export interface Clock {
  /** Unix time in milliseconds. It may be set back or forth at any moment: durations are taken from `monotonic`. */
  now(): number;
  /** Milliseconds since some fixed moment; never goes back. */
  monotonic(): number;
  /** Calls `work` once after `ms` milliseconds, unless what it returns is disposed of before. */
  after(ms: number, work: () => void): Disposable;
  /** Calls `work` in the next turn of the event loop, when what is readable now has been read. */
  soon(work: () => void): Disposable;
}

/** The machine's clock. Its timers do not keep the process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, work) {
    const timer = setTimeout(work, ms).unref();
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
  soon(work) {
    const turn = setImmediate(work);
    return { [Symbol.dispose]: () => clearImmediate(turn) };
  },
};
