import type { Clock } from '../clock.ts';

/**
 * The time of one process: when the process is killed, what it had in mind to do is not done. Its objects may still be called by
 * promises that end; they then reach nobody, because all that they were handed is dead.
 */
export class Life implements Clock {
  readonly #clock: Clock;
  #over = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get over(): boolean {
    return this.#over;
  }

  end(): void {
    this.#over = true;
  }

  now(): number {
    return this.#clock.now();
  }

  monotonic(): number {
    return this.#clock.monotonic();
  }

  after(ms: number, work: () => void): Disposable {
    return this.#clock.after(ms, () => this.#do(work));
  }

  soon(work: () => void): Disposable {
    return this.#clock.soon(() => this.#do(work));
  }

  #do(work: () => void): void {
    if (!this.#over) work();
  }
}
