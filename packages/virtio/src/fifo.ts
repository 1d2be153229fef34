/**
 * First in, first out: all operations take constant time, on average over many, and what is taken out is let go of,
 * also if it never runs empty. Arrays alone do neither: `shift` moves all that is behind.
 */
export class Fifo<T> {
  #items: T[] = [];
  /** Where the oldest is; those before it are gone. */
  #first = 0;

  get length(): number {
    return this.#items.length - this.#first;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  /** The oldest; undefined if there is none. */
  peek(): T | undefined {
    return this.#items[this.#first];
  }

  /** Takes the oldest out; undefined if there is none. */
  shift(): T | undefined {
    const item = this.#items[this.#first];
    if (this.length === 0) return undefined;
    this.#first += 1;
    // As many are moved as were taken out since the last time.
    if (this.#first * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    }
    return item;
  }

  /** Takes all out, the oldest first. */
  drain(): T[] {
    const items = this.#items.slice(this.#first);
    this.#items = [];
    this.#first = 0;
    return items;
  }
}
