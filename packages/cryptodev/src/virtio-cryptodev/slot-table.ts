/**
 * A bounded table whose entries are known by opaque 32-bit ids: the place in the table and, above it, how
 * often the place was used, so that an id that was closed does not soon name something else.
 */
const indexBits = 16;
const indexMask = (1 << indexBits) - 1;
const generations = 1 << (32 - indexBits);

export class SlotTable<T> {
  readonly #limit: number;
  readonly #values: (T | undefined)[] = [];
  readonly #generations: number[] = [];
  /** Free places; the one that has been free longest is taken first. */
  readonly #free: number[] = [];
  #size = 0;

  /** @param limit most entries at a time, 1 to 65,536 */
  constructor(limit: number) {
    if (!(Number.isInteger(limit) && limit >= 1 && limit <= indexMask + 1)) {
      throw new RangeError(`a table has 1 to ${indexMask + 1} entries, not ${limit}`);
    }
    this.#limit = limit;
  }

  get size(): number {
    return this.#size;
  }

  get full(): boolean {
    return this.#size >= this.#limit;
  }

  /** @returns the id of the new entry, never 0; or 0 if the table is full */
  add(value: T): number {
    if (this.full) return 0;
    // New places before used ones: an id comes back as late as can be.
    const index = this.#values.length < this.#limit ? this.#values.length : this.#free.shift()!;
    const generation = ((this.#generations[index] ?? 0) + 1) % generations || 1;
    this.#generations[index] = generation;
    this.#values[index] = value;
    this.#size += 1;
    return ((generation << indexBits) | index) >>> 0;
  }

  get(id: number): T | undefined {
    const index = id & indexMask;
    return this.#generations[index] === id >>> indexBits ? this.#values[index] : undefined;
  }

  /** Takes an entry out. @returns it, or undefined if there is none of that id */
  remove(id: number): T | undefined {
    const value = this.get(id);
    if (value === undefined) return undefined;
    const index = id & indexMask;
    this.#values[index] = undefined;
    this.#free.push(index);
    this.#size -= 1;
    return value;
  }

  /** Takes all entries out and returns them. Their ids stay unknown. */
  removeAll(): T[] {
    const removed: T[] = [];
    for (const [index, value] of this.#values.entries()) {
      if (value === undefined) continue;
      removed.push(value);
      this.#values[index] = undefined;
      this.#free.push(index);
    }
    this.#size = 0;
    return removed;
  }
}
