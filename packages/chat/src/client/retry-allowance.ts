/**
 * How often a connection that brought something wrong may be made anew: a number of times at once, and once in an interval
 * in the long run. (The generic cell rate algorithm of ITU-T I.371: one point in time is all its state.)
 */
export class RetryAllowance {
  readonly #burst: number;
  readonly #interval: number;
  /** When all that was taken will have been earned. */
  #settled = Number.NEGATIVE_INFINITY;

  /** @param interval in milliseconds */
  constructor(burst: number, interval: number) {
    this.#burst = burst;
    this.#interval = interval;
  }

  /** Takes one. @returns how long to wait for it, in milliseconds */
  take(now: number): number {
    this.#settled = Math.max(this.#settled, now) + this.#interval;
    return Math.max(0, this.#settled - this.#burst * this.#interval - now);
  }
}
