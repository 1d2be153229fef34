/** Pseudo-random numbers that a seed makes again: xorshift32 (Marsaglia 2003). Not for cryptography. */
export class Random {
  #state: number;

  /** @param seed any whole number but 0 */
  constructor(seed: number) {
    this.#state = seed | 0 || 1;
  }

  #next(): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return this.#state >>> 0;
  }

  /** A whole number from 0 up to, not including, `end`. */
  below(end: number): number {
    return this.#next() % end;
  }

  /** True once in `n` times. */
  onceIn(n: number): boolean {
    return this.below(n) === 0;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)));
  }
}

/** The seed of this run: SKYTALE_TEST_SEED, or a new one. Print it, so that a failure can be had again. */
export const testSeed = Number(process.env.SKYTALE_TEST_SEED ?? 1 + Math.floor(Math.random() * 1e9));
