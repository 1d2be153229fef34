/**
 * Counts the operations of a session that are under way: the control queue may be faster than the data queues, so a
 * session is destroyed when all answers are here.
 */
export class InFlight {
  #count = 0;
  #whenNone: (() => void) | undefined;

  begin(): void {
    this.#count += 1;
  }

  /** To be called once for each `begin`. */
  end(): void {
    this.#count -= 1;
    if (this.#count === 0) this.#whenNone?.();
  }

  /** Resolves when none is under way. To be called once, when no more will begin. */
  async ended(): Promise<void> {
    if (this.#count === 0) return;
    await new Promise<void>((resolve) => {
      this.#whenNone = resolve;
    });
  }
}
