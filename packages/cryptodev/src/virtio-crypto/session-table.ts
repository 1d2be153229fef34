/**
 * The sessions of a device, by their ids: the place in the table and, above it, how often the place was
 * used, so that an id that was closed does not soon name something else. Ids are positive in 31 bits, which
 * is what survives every VMM's own idea of their type.
 *
 * A driver may open and close hundreds of thousands of sessions a second: nothing here allocates or searches.
 */
const indexBits = 16;
const indexMask = (1 << indexBits) - 1;
const generationMask = (1 << (31 - indexBits)) - 1;

export class SessionTable<T> {
  readonly #values: (T | undefined)[] = [];
  readonly #generations: Uint16Array;
  /** Free places in a ring; the one that has been free longest is taken first. */
  readonly #free: Uint16Array;
  readonly #onSize: (size: number) => void;
  #firstFree = 0;
  #size = 0;

  /**
   * @param limit most sessions at a time, 1 to 65,536
   * @param onSize called with the number of sessions when that has changed
   */
  constructor(limit: number, onSize: (size: number) => void = () => {}) {
    if (!(Number.isInteger(limit) && limit >= 1 && limit <= indexMask + 1)) {
      throw new RangeError(`a device has 1 to ${indexMask + 1} sessions, not ${limit}`);
    }
    this.#onSize = onSize;
    this.#generations = new Uint16Array(limit);
    this.#free = Uint16Array.from({ length: limit }, (_, i) => i);
  }

  get size(): number {
    return this.#size;
  }

  /** Most sessions at a time. */
  get limit(): number {
    return this.#free.length;
  }

  /** @returns the id of the new entry, never 0; or 0 if the table is full */
  add(value: T): number {
    if (this.#size === this.#free.length) return 0;
    const index = this.#free[this.#firstFree]!;
    this.#firstFree = (this.#firstFree + 1) % this.#free.length;
    const generation = (this.#generations[index]! + 1) & generationMask || 1;
    this.#generations[index] = generation;
    this.#values[index] = value;
    this.#resize(1);
    return (generation << indexBits) | index;
  }

  /** @param high the upper 32 bits of a 64-bit id, of which no id has any set */
  get(id: number, high = 0): T | undefined {
    const index = id & indexMask;
    return high === 0 && this.#generations[index] === id >>> indexBits ? this.#values[index] : undefined;
  }

  /** Takes an entry out. @returns it, or undefined if there is none of that id */
  remove(id: number, high = 0): T | undefined {
    const value = this.get(id, high);
    if (value === undefined) return undefined;
    this.#release(id & indexMask);
    return value;
  }

  /** Takes all entries out and returns them. Their ids stay unknown. */
  removeAll(): T[] {
    const removed: T[] = [];
    for (const [index, value] of this.#values.entries()) {
      if (value === undefined) continue;
      removed.push(value);
      this.#release(index);
    }
    return removed;
  }

  /** All entries with their ids. */
  *entries(): Generator<[id: number, value: T]> {
    for (const [index, value] of this.#values.entries()) {
      if (value !== undefined) yield [(this.#generations[index]! << indexBits) | index, value];
    }
  }

  /** How often each place was used, as far as ids tell: a copy. */
  get generations(): Uint16Array<ArrayBuffer> {
    return new Uint16Array(this.#generations);
  }

  /** Knows the ids that another table has given out: only to those that `restore` brings back there are entries. */
  restoreGenerations(generations: Uint16Array): void {
    if (generations.length !== this.limit || generations.some((generation) => generation > generationMask)) {
      throw new RangeError(`no state of a table of ${this.limit} sessions`);
    }
    this.#generations.set(generations);
  }

  /** Brings an entry back under the id that it had when the generations were taken. */
  restore(id: number, value: T): void {
    const index = id & indexMask;
    const place = this.#freePlace(index);
    if (place === undefined || id <= 0 || this.#generations[index] !== id >>> indexBits) {
      throw new RangeError(`no session can have the id ${id}`);
    }
    this.#free[place] = this.#free[this.#firstFree]!;
    this.#firstFree = (this.#firstFree + 1) % this.#free.length;
    this.#values[index] = value;
    this.#resize(1);
  }

  /** Where a place stands in the ring of free ones. */
  #freePlace(index: number): number | undefined {
    for (let i = 0; i < this.#free.length - this.#size; i++) {
      const at = (this.#firstFree + i) % this.#free.length;
      if (this.#free[at] === index) return at;
    }
    return undefined;
  }

  #release(index: number): void {
    this.#values[index] = undefined;
    this.#free[(this.#firstFree + this.#free.length - this.#size) % this.#free.length] = index;
    this.#resize(-1);
  }

  #resize(change: 1 | -1): void {
    this.#size += change;
    this.#onSize(this.#size);
  }
}
