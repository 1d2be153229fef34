/**
 * The part of a room's items that the page holds, and where it stands: a window of some hundred onto a history that may have many
 * thousand. It moves as one scrolls, and follows what comes while it reaches the end.
 *
 * 1. `entries` is in the room's order, each message once, own ones that wait behind all others; it is replaced, never changed.
 * 2. It never holds more than MOST_HELD, what else stands at the place where it ends, and what waits.
 * 3. An entry keeps its `id` for as long as it is held, also when a message that waited gets its place.
 *
 * Each change costs O(MOST_HELD), however long the history is.
 */
import type { Item, Message } from '../engine.ts';

export type Entry = { readonly id: number; readonly item: Item };

/** Items from the room's store: the last `limit` before a place, oldest first. */
export type History = (before: number, limit: number) => Promise<readonly Item[]>;

/** Items held at most, besides those that wait to be sent. */
export const MOST_HELD = 320;
/** Items fetched at a time. */
const PAGE = 80;

export class Timeline {
  entries: readonly Entry[] = [];
  /** Nothing older is kept. */
  atStart = false;
  /** What comes next is next to what is held. */
  atEnd = true;
  readonly #history: History;
  readonly #changed: () => void;
  /** By own number. */
  readonly #waiting = new Map<number, Entry>();
  /** Without those that wait. */
  #held: Entry[] = [];
  /** The highest place that was heard of. */
  #last = 0;
  /** One's own number up to which all is sent. */
  #sentUpTo = 0;
  #nextId = 1;
  #fetching: Promise<void> | undefined;

  /** @param changed told after each later change of what can be read here */
  constructor(history: History, items: readonly Item[], changed: () => void) {
    this.#history = history;
    this.#changed = changed;
    this.#putAll(items);
    this.#publish(() => {});
  }

  /** The highest place known. */
  get last(): number {
    return this.#last;
  }

  add(...items: readonly Item[]): void {
    this.#putAll(items);
    this.#trimFront();
    this.#publish();
  }

  /** One's own message has its place. */
  sent(n: number, seq: number): void {
    this.#sentUpTo = Math.max(this.#sentUpTo, n);
    const waiting = this.#waiting.get(n);
    if (waiting === undefined) return;
    this.#waiting.delete(n);
    this.#put({ id: waiting.id, item: { ...(waiting.item as Message), seq } });
    this.#trimFront();
    this.#publish();
  }

  /** A waiting message will not be sent. */
  dropWaiting(n: number): void {
    if (this.#waiting.delete(n)) this.#publish();
  }

  /** Fetches what is before, and lets go of as much behind. One at a time; a second call waits for the first. */
  older(): Promise<void> {
    return this.#fetch(async () => {
      if (this.atStart) return;
      const first = this.#firstSeq;
      // Of what stands at the first place a part may have been cut off: it is asked for again.
      const limit = PAGE + this.#heldAt(first);
      const items = await this.#history((first ?? this.#last) + 1, limit);
      // What came meanwhile may have moved the window on: then this is not next to it any more.
      if (this.#firstSeq !== first) return;
      this.atStart = items.length < limit;
      const again = this.#held.splice(0, this.#heldAt(first));
      const isOf = (item: Item) => (entry: Entry) => item.seq === first && isSame(entry.item, item);
      const fetched = items.map((item) => again.find(isOf(item)) ?? this.#entry(item));
      // What is not kept, such as who came, is not among them.
      this.#held.unshift(...fetched, ...again.filter((entry) => !fetched.includes(entry)));
      if (this.#held.length > MOST_HELD) {
        this.#held.length = endOfGroup(this.#held, MOST_HELD - 1);
        this.atEnd = this.#lastSeq >= this.#last;
      }
    });
  }

  /** Fetches what follows, and lets go of as much before. */
  newer(): Promise<void> {
    return this.#fetch(async () => {
      if (this.atEnd) return;
      const last = this.#lastSeq;
      const upTo = Math.min(last + PAGE / 2, this.#last);
      const items = await this.#history(upTo + 1, PAGE);
      // Many notices at few places: what is next is not among them, so the window begins anew there.
      if (!isNext(items[0], last)) this.#held = [];
      this.#insertAll(items);
      this.atEnd = upTo >= this.#last;
      this.#trimFront();
    });
  }

  /** Begins anew with the last ones. */
  toEnd(): Promise<void> {
    return this.#fetch(async () => {
      while (!this.atEnd) {
        const last = this.#last;
        const items = await this.#history(last + 1, PAGE);
        this.#held = [];
        this.atStart = items.length < PAGE;
        this.#insertAll(items);
        // What came meanwhile is not among them.
        this.atEnd = this.#last === last;
      }
    });
  }

  get #firstSeq(): number | undefined {
    return this.#held[0]?.item.seq;
  }

  /** How many of the first ones stand at this place. */
  #heldAt(seq: number | undefined): number {
    const others = this.#held.findIndex(({ item }) => item.seq !== seq);
    return others === -1 ? this.#held.length : others;
  }

  get #lastSeq(): number {
    return this.#held.at(-1)?.item.seq ?? 0;
  }

  async #fetch(work: () => Promise<void>): Promise<void> {
    while (this.#fetching !== undefined) await this.#fetching;
    this.#fetching = work().finally(() => {
      this.#fetching = undefined;
    });
    await this.#fetching;
    this.#publish();
  }

  #entry(item: Item): Entry {
    this.#nextId += 1;
    return { id: this.#nextId, item };
  }

  #putAll(items: readonly Item[]): void {
    for (const item of items) {
      this.#put(this.#entry(item));
      if (this.#held.length > 2 * MOST_HELD) this.#trimFront();
    }
  }

  #insertAll(items: readonly Item[]): void {
    for (const item of items) this.#insert(this.#entry(item));
  }

  #put(entry: Entry): void {
    const { item } = entry;
    if (item.kind === 'message' && item.seq === undefined) {
      // It may have been sent before it is told of here: numbers are sent in their order.
      const isNew = item.n !== undefined && item.n > this.#sentUpTo && !this.#waiting.has(item.n);
      if (isNew) this.#waiting.set(item.n, entry);
      return;
    }
    // It may be told of by its place before it is told that it was sent.
    if (item.kind === 'message' && item.own && item.n !== undefined) {
      const waiting = this.#waiting.get(item.n);
      this.#waiting.delete(item.n);
      if (waiting !== undefined) entry = { ...entry, id: waiting.id };
    }
    const seq = item.seq ?? 0;
    const follows = seq > this.#last;
    this.#last = Math.max(this.#last, seq);
    // What lies before the window is fetched when it is asked for; what lies behind one that does not reach the end, too.
    if (seq < (this.#firstSeq ?? 0) || (!this.atEnd && (follows || seq > this.#lastSeq))) return;
    this.#insert(entry);
  }

  #insert(entry: Entry): void {
    const { item } = entry;
    const seq = item.seq ?? 0;
    let at = this.#held.length;
    while (at > 0 && isBehind(this.#held[at - 1]!.item, item, seq)) at -= 1;
    for (let other = at; other > 0; other -= 1) {
      const held = this.#held[other - 1]!.item;
      if (held.seq !== seq) break;
      if (isSame(held, item)) return;
    }
    this.#held.splice(at, 0, entry);
  }

  #trimFront(): void {
    const excess = this.#held.length - MOST_HELD;
    if (excess <= 0) return;
    this.#held.splice(0, endOfGroup(this.#held, excess - 1));
    this.atStart = false;
  }

  #publish(changed = this.#changed): void {
    this.entries = this.atEnd ? [...this.#held, ...this.#waiting.values()] : [...this.#held];
    changed();
  }
}

/** A message comes before the notices at its place. */
function isBehind(held: Item, item: Item, seq: number): boolean {
  const other = held.seq ?? 0;
  return other > seq || (other === seq && held.kind === 'notice' && item.kind === 'message');
}

function isSame(one: Item, other: Item): boolean {
  if (one.kind === 'message' || other.kind === 'message') return one.kind === other.kind;
  return one.at === other.at && JSON.stringify(one.what) === JSON.stringify(other.what);
}

/** Index behind the items that have the same place as the one at `index`. */
function endOfGroup(entries: readonly Entry[], index: number): number {
  let end = index + 1;
  while (end < entries.length && entries[end]!.item.seq === entries[index]!.item.seq) end += 1;
  return end;
}

/** Whether nothing is left out between what stands at the place `last` and before, and what begins with `item`. */
function isNext(item: Item | undefined, last: number): boolean {
  const seq = item?.seq ?? 0;
  return seq <= last || (seq === last + 1 && item?.kind === 'message');
}
