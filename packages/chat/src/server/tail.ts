/** What is kept in memory for clients that are a little behind, of one room and of all; who is further behind reads the log. */
const TAIL_BYTES = 4 * 1024 * 1024;
const ALL_TAILS_BYTES = 64 * 1024 * 1024;
/** Batches that were dropped stay in the array until there are as many of them. */
const COMPACT_AT = 32;

/** What the tails of all rooms take together. Written by `Tail` alone. */
export class TailBytes {
  bytes = 0;
}

interface Kept {
  readonly first: number;
  readonly last: number;
  /** Bytes that it takes in memory. */
  readonly size: number;
}

/**
 * The last batches of a room, one behind the other without a hole.
 *
 * 1. Only `push` adds to it and only `clear` and the limits take from it, always the oldest first.
 * 2. Its bytes are counted as batches come and go, never summed.
 * 3. Together the tails of all rooms keep no more than their limit: a batch that comes when there is no room is
 *    dropped at once, and is read from the log by those who still want it.
 *
 * Cost, for b batches: `push` and dropping O(1), amortised; `at` O(log b), O(1) for the newest.
 */
export class Tail<B extends Kept> {
  readonly #all: TailBytes;
  #batches: (B | undefined)[] = [];
  /** Where the oldest that is kept stands. */
  #start = 0;
  #bytes = 0;

  constructor(all: TailBytes) {
    this.#all = all;
  }

  get bytes(): number {
    return this.#bytes;
  }

  push(batch: B): void {
    this.#batches.push(batch);
    this.#count(batch.size);
    while (this.#bytes > 0 && (this.#bytes > TAIL_BYTES || this.#all.bytes > ALL_TAILS_BYTES)) this.#drop();
  }

  /** The batch that has message `seq` in it; `undefined` if it is no longer here. */
  at(seq: number): B | undefined {
    const newest = this.#batches.at(-1);
    if (newest === undefined || seq > newest.last) return undefined;
    if (seq >= newest.first) return newest;
    let low = this.#start;
    let high = this.#batches.length - 1;
    // The first whose last message is not before `seq`.
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#batches[middle]!.last < seq) low = middle + 1;
      else high = middle;
    }
    const found = this.#batches[low]!;
    return found.first <= seq ? found : undefined;
  }

  /** Drops everything: nobody needs it. */
  clear(): void {
    this.#count(-this.#bytes);
    this.#batches = [];
    this.#start = 0;
  }

  #drop(): void {
    this.#count(-this.#batches[this.#start]!.size);
    this.#batches[this.#start] = undefined;
    this.#start += 1;
    if (this.#start < COMPACT_AT || 2 * this.#start < this.#batches.length) return;
    this.#batches.splice(0, this.#start);
    this.#start = 0;
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    this.#all.bytes += bytes;
  }
}
