/** What is read from the log at once for one client that catches up. */
const MOST = 256 * 1024;
const LEAST = 16 * 1024;
/** For all together. */
const BUDGET_BYTES = 64 * 1024 * 1024;
/** A client may ask for this part of what is left. */
const SHARE = 16;

/**
 * The memory of what was read from the log and is not yet taken by the clients that catch up. The more of it is
 * used, the less is read at once for each, down to 16 KiB; nobody waits for others, of whom some may never take theirs.
 *
 * At most, c clients take 64 MiB + c * max(16 KiB, longest frame): one message is read whole, however long. 10,000
 * clients of which none takes anything, in rooms of short messages: 220 MiB, until their write time-outs are over.
 */
export class ReadBudget {
  readonly #budget: number;
  #used = 0;

  constructor(budget = BUDGET_BYTES) {
    this.#budget = budget;
  }

  get used(): number {
    return this.#used;
  }

  /** Bytes that may be read now for one client. Taken until they are given back. */
  take(): number {
    const bytes = Math.min(MOST, Math.max(LEAST, Math.floor((this.#budget - this.#used) / SHARE)));
    this.#used += bytes;
    return bytes;
  }

  /** @param bytes what `take` returned */
  giveBack(bytes: number): void {
    this.#used -= bytes;
  }
}
