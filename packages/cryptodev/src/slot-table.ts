/**
 * A bounded table whose entries are known by opaque ids: the place in the table and, above it, how often the
 * place was used, so that an id that was closed does not soon name something else.
 *
 * A driver may open and close hundreds of thousands of sessions a second: nothing here searches, and nothing allocates
 * but a place that is used for the first time.
 */
const indexBits = 16;
const indexMask = (1 << indexBits) - 1;
const nowhere = -1;

export class SlotTable<T> {
  /** Most entries at a time. */
  readonly limit: number;
  readonly #generationMask: number;
  readonly #onSize: (size: number) => void;
  /** As long as there are places that were ever used. */
  readonly #values: (T | undefined)[] = [];
  #generations: number[] = [];
  /** The free ones of these, as a list by their indexes; the one that has been free longest is the first. */
  readonly #nextFree: number[] = [];
  #firstFree = nowhere;
  #lastFree = nowhere;
  #size = 0;

  /**
   * @param limit most entries at a time, 1 to 65,536
   * @param idBits ids have no more than these, 17 to 32: the more, the later one comes back
   * @param onSize called with the number of entries when that has changed
   */
  constructor(limit: number, idBits = 32, onSize: (size: number) => void = () => {}) {
    if (!(Number.isInteger(limit) && limit >= 1 && limit <= indexMask + 1)) {
      throw new RangeError(`a table has 1 to ${indexMask + 1} entries, not ${limit}`);
    }
    this.limit = limit;
    this.#generationMask = 2 ** (idBits - indexBits) - 1;
    this.#onSize = onSize;
  }

  get size(): number {
    return this.#size;
  }

  /** @returns the id of the new entry, never 0; or 0 if the table is full */
  add(value: T): number {
    if (this.#size === this.limit) return 0;
    // New places before used ones: an id comes back as late as can be.
    const index = this.#values.length < this.limit ? this.#values.length : this.#takeFree();
    const generation = ((this.#generations[index] ?? 0) + 1) & this.#generationMask || 1;
    this.#generations[index] = generation;
    this.#values[index] = value;
    this.#resize(1);
    return idOf(generation, index);
  }

  /** @param high the upper 32 bits of a 64-bit id, of which no id has any set */
  get(id: number, high = 0): T | undefined {
    const index = id & indexMask;
    return high === 0 && this.#generations[index] === id >>> indexBits ? this.#values[index] : undefined;
  }

  /** Takes an entry out. @returns it, or undefined if there is none of that id */
  remove(id: number, high = 0): T | undefined {
    const value = this.get(id, high);
    if (value !== undefined) this.#release(id & indexMask);
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
      if (value !== undefined) yield [idOf(this.#generations[index]!, index), value];
    }
  }

  /** How often each place was used, as far as ids tell: a copy. */
  get generations(): Uint16Array<ArrayBuffer> {
    const all = new Uint16Array(this.limit);
    all.set(this.#generations);
    return all;
  }

  /** Knows the ids that another table has given out: only to those that `restore` brings back there are entries. */
  restoreGenerations(generations: Uint16Array): void {
    const isTooLarge = generations.some((generation) => generation > this.#generationMask);
    if (generations.length !== this.limit || isTooLarge) {
      throw new RangeError(`no state of a table of ${this.limit} entries`);
    }
    this.#generations = Array.from(generations);
  }

  /** Brings an entry back under the id that it had when the generations were taken. Looks through the free places. */
  restore(id: number, value: T): void {
    const index = id & indexMask;
    const isKnown = id > indexMask && this.#generations[index] === id >>> indexBits;
    if (!isKnown || index >= this.limit || this.#values[index] !== undefined) {
      throw new RangeError(`no entry can have the id ${id}`);
    }
    if (index < this.#values.length) this.#unlink(index);
    for (let before = this.#values.length; before < index; before++) this.#link(before);
    this.#values[index] = value;
    this.#resize(1);
  }

  #release(index: number): void {
    this.#link(index);
    this.#resize(-1);
  }

  #link(index: number): void {
    this.#values[index] = undefined;
    this.#nextFree[index] = nowhere;
    if (this.#lastFree === nowhere) this.#firstFree = index;
    else this.#nextFree[this.#lastFree] = index;
    this.#lastFree = index;
  }

  #takeFree(): number {
    const index = this.#firstFree;
    this.#firstFree = this.#nextFree[index]!;
    if (this.#firstFree === nowhere) this.#lastFree = nowhere;
    return index;
  }

  #unlink(index: number): void {
    let before = nowhere;
    for (let at = this.#firstFree; at !== index; at = this.#nextFree[at]!) before = at;
    if (before === nowhere) this.#takeFree();
    else {
      this.#nextFree[before] = this.#nextFree[index]!;
      if (this.#lastFree === index) this.#lastFree = before;
    }
  }

  #resize(change: 1 | -1): void {
    this.#size += change;
    this.#onSize(this.#size);
  }
}

function idOf(generation: number, index: number): number {
  return ((generation << indexBits) | index) >>> 0;
}
