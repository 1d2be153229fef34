/** What may wait to be stored, of all rooms; who publishes more is not read from until some of it is. */
const BACKLOG_BYTES = 8 * 1024 * 1024;

/**
 * What was accepted and is not yet stored, of all rooms together. Written by the rooms' writers alone: each gives
 * back all that it has taken, when it is stored, when it is refused, or when its room fails.
 */
export class Backlog {
  #bytes = 0;
  #waiting: (() => void)[] = [];

  get used(): number {
    return this.#bytes;
  }

  /** Whether so much waits that no more should be accepted now. */
  get full(): boolean {
    return this.#bytes >= BACKLOG_BYTES;
  }

  /** Calls `work`, once, when there is room for more. */
  whenNotFull(work: () => void): void {
    this.#waiting.push(work);
  }

  take(bytes: number): void {
    this.#bytes += bytes;
  }

  giveBack(bytes: number): void {
    this.#bytes -= bytes;
    if (this.full || this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const work of waiting) work();
  }
}
