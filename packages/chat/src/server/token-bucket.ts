import type { Clock } from '../clock.ts';

/**
 * A rate limit that delays instead of refusing: what came is always taken, and when the bucket is
 * overdrawn, `delay` says how long to take nothing more.
 */
export class TokenBucket {
  readonly #clock: Clock;
  readonly #perSecond: number;
  readonly #burst: number;
  /** Thousandths of tokens, so that a millisecond brings a whole number of them. */
  #tokens: number;
  #filledAt: number;

  /** @param perSecond tokens that come in a second; 0: no limit. @param burst tokens that it holds at most */
  constructor(clock: Clock, perSecond: number, burst: number) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#burst = burst * 1000;
    this.#tokens = this.#burst;
    this.#filledAt = Math.floor(clock.monotonic());
  }

  take(tokens: number): void {
    if (this.#perSecond > 0) this.#tokens -= tokens * 1000;
  }

  /** Milliseconds until the bucket is no longer overdrawn; 0 if it is not. */
  delay(): number {
    if (this.#tokens >= 0) return 0;
    const now = Math.floor(this.#clock.monotonic());
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#filledAt) * this.#perSecond);
    this.#filledAt = now;
    return this.#tokens >= 0 ? 0 : Math.ceil(-this.#tokens / this.#perSecond);
  }
}
