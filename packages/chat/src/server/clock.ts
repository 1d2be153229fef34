/** Time, as the server uses it; tests have one that they turn by hand. */
export interface Clock {
  /** Unix time in milliseconds. */
  now(): number;
  /** Calls `work` once after `ms` milliseconds, unless what it returns is disposed of before. */
  after(ms: number, work: () => void): Disposable;
}

/** The machine's clock. Its timers do not keep the process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, work) {
    const timer = setTimeout(work, ms).unref();
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};
