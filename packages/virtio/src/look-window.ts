/**
 * How long a thread looks for work before it sleeps. To be woken takes 5 to 50 µs, longer than many a driver
 * takes for its next request; and a thread that looks need not be notified. As KVM's halt polling, the time is learned:
 * it grows while waits prove short and shrinks while they prove long, so that an idle device costs nothing.
 */

/** In milliseconds. */
const shortestLook = 0.01;
/** Longest time that a thread looks before it sleeps, in milliseconds: a wait that takes longer, being woken included, is better slept through. */
const longestLook = 0.1;

export class LookWindow {
  readonly #now: () => number;
  readonly #isUseful: boolean;
  #length = 0;

  /**
   * @param processors how many threads can run at once: on a single processor to look is to keep the work from coming
   * @param now a clock, in milliseconds
   */
  constructor(processors: number, now: () => number = () => performance.now()) {
    this.#now = now;
    this.#isUseful = processors > 1;
  }

  /** Whether the next `wait` will look before it sleeps. */
  get isOpen(): boolean {
    return this.#length > 0;
  }

  /** Waits for work: looks for it by `found`, for at most 0.1 ms, and if there is none yet, by `sleep`. */
  wait(found: () => boolean, sleep: () => void): void {
    if (!this.#isUseful) {
      sleep();
      return;
    }
    const begun = this.#now();
    if (this.isOpen) {
      do if (found()) return;
      while (this.#now() < begun + this.#length);
    }
    sleep();
    if (this.#now() - begun > longestLook) this.#shrink();
    else this.#length = Math.min(longestLook, Math.max(shortestLook, 2 * this.#length));
  }

  #shrink(): void {
    this.#length = this.#length > shortestLook ? this.#length / 2 : 0;
  }
}
