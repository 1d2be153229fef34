import { equalBytes, toHex } from '../bytes.ts';
import { type Content, MAX_INSTEAD, textBytes } from '../encryption/content.ts';
import type { KeptDraft, SavedState, Sealed } from './state-store.ts';

/**
 * Of acknowledged messages that stay all the same: an acknowledgement proves nothing, and a server that turns out not to
 * have them is sent them again.
 */
export const KEPT_MESSAGES = 1024;

/** Numbers in a row that nothing is sealed under, and that are filled to get at what is behind them. */
const MAX_HOLE = 64;

/** A draft on its way. The book changes it, and nobody else. */
export type Entry = {
  readonly draft: number;
  readonly id: Uint8Array | undefined;
  content: Content;
  /** Of its text. */
  readonly bytes: number;
  sealed: Sealed | undefined;
  /** Whether the store has it as it is sealed. */
  durable: boolean;
  /** Whether it had its place once, before the server forgot it. */
  readonly hadPlace: boolean;
};

/**
 * One's own drafts and numbers, in memory: what is to be sent, as what it is sealed, and what became of it.
 *
 * A *draft* is what is to be said; `draft` is its number, by which the user knows it. `n` is the number in the room under which it
 * is sealed.
 *
 * 1. Under each number from `settled` + 1 to `lastN` there is one entry, or none where something was taken away (`hole`).
 * 2. `settled` and `lastN` MUST only grow, but for `takeBack`.
 *
 * Each step costs the same, however many entries there are: `settle` and `prune` for each number that they pass, and `firstDraft` in the
 * mean. `takeBack` and `close` sort what is pending; `firstTooLong` goes through what is sealed; and so does `hole` where there is one.
 */
export class DraftBook {
  /** Not settled, by `draft`; in that order, save what fills a hole. */
  readonly #pending = new Map<number, Entry>();
  /** Those that are sealed, by `n`. */
  readonly #sealed = new Map<number, Entry>();
  /** Those that have their places, by `n`, in that order. */
  readonly #kept = new Map<number, KeptDraft>();
  readonly #setAsides = new Map<number, Entry>();
  /** Of all those, the draft by its id. */
  readonly #ids = new Map<string, number>();
  /** None that is pending is lower. */
  #first = Number.POSITIVE_INFINITY;
  #bytes = 0;
  #lastDraft: number;
  #lastN: number;
  #settled: number;
  /** What was sealed under numbers up to it is kept no more. */
  #forgotten: number;

  constructor({ lastDraft, settled, kept }: Pick<SavedState, 'lastDraft' | 'settled' | 'kept'>) {
    this.#lastDraft = lastDraft;
    this.#settled = settled;
    this.#lastN = settled;
    this.#forgotten = kept.length < KEPT_MESSAGES ? 0 : kept[0]!.n - 1;
    for (const draft of kept) this.#keep(draft);
  }

  /** Own messages up to this number have their places. */
  get settled(): number {
    return this.#settled;
  }

  /** The last number under which anything was sealed, or is known to stand. */
  get lastN(): number {
    return this.#lastN;
  }

  /** The last draft, whether or not it was added. */
  get lastDraft(): number {
    return this.#lastDraft;
  }

  get size(): number {
    return this.#pending.size;
  }

  /** Of all texts that are pending. */
  get bytes(): number {
    return this.#bytes;
  }

  get hasUnsealed(): boolean {
    return this.#pending.size > this.#sealed.size;
  }

  get pending(): Iterable<Entry> {
    return this.#pending.values();
  }

  get setAsides(): Iterable<Entry> {
    return this.#setAsides.values();
  }

  /** The lowest draft that is pending; infinite if none is. */
  get firstDraft(): number {
    if (this.#pending.size === 0) this.#first = Number.POSITIVE_INFINITY;
    else while (!this.#pending.has(this.#first)) this.#first += 1;
    return this.#first;
  }

  isPending({ draft }: Entry): boolean {
    return this.#pending.has(draft);
  }

  sealedAs(n: number): Entry | undefined {
    return this.#sealed.get(n);
  }

  isKept(n: number): boolean {
    return this.#kept.has(n);
  }

  /** The draft with this id, on its way, set aside or kept. */
  draftWithId(id: Uint8Array | undefined): number | undefined {
    return id && this.#ids.get(toHex(id));
  }

  pendingDraft(draft: number): Entry | undefined {
    return this.#pending.get(draft);
  }

  /** A new draft, with its number; not yet in the book. */
  newEntry(content: Content): Entry {
    this.#lastDraft += 1;
    const { id } = content;
    const bytes = bytesOf(content);
    const draft = this.#lastDraft;
    return { draft, id, content, bytes, sealed: undefined, durable: false, hadPlace: false };
  }

  add(entry: Entry): void {
    this.#pending.set(entry.draft, entry);
    this.#first = Math.min(this.#first, entry.draft);
    this.#bytes += entry.bytes;
    this.#know(entry);
    if (entry.sealed === undefined) return;
    this.#sealed.set(entry.sealed.n, entry);
    this.#lastN = Math.max(this.#lastN, entry.sealed.n);
  }

  addSetAside(entry: Entry): void {
    this.#setAsides.set(entry.draft, entry);
    this.#know(entry);
  }

  /** A pending entry is sealed; it is not durable. */
  seal(entry: Entry, sealed: Sealed): void {
    entry.sealed = sealed;
    entry.durable = false;
    this.#sealed.set(sealed.n, entry);
    this.#lastN = Math.max(this.#lastN, sealed.n);
  }

  /** The store has an entry as it was sealed then. */
  stored(entry: Entry, sealed: Sealed): void {
    if (entry.sealed === sealed) entry.durable = true;
  }

  /** A pending entry cannot be sent. Its number, if it has one, is free. */
  setAside(entry: Entry): void {
    this.#takeOut(entry);
    if (entry.sealed !== undefined) this.#sealed.delete(entry.sealed.n);
    entry.sealed = undefined;
    this.#setAsides.set(entry.draft, entry);
  }

  /** A pending entry without a number is gone. */
  remove(entry: Entry): void {
    this.#takeOut(entry);
    this.#forget(entry);
  }

  /** @returns what it was, if there was one */
  removeSetAside(draft: number): Entry | undefined {
    const entry = this.#setAsides.get(draft);
    if (entry !== undefined) this.#forget(entry);
    this.#setAsides.delete(draft);
    return entry;
  }

  /**
   * All numbers up to `n` have their places.
   * @returns what was sealed under them, in order
   */
  settle(n: number): Entry[] {
    const done: Entry[] = [];
    for (let number = this.#settled + 1; number <= Math.min(n, this.#lastN); number += 1) {
      const entry = this.#sealed.get(number);
      if (entry === undefined) continue;
      this.#sealed.delete(number);
      this.#takeOut(entry);
      this.#keep({ draft: entry.draft, id: entry.id, n: number });
      done.push(entry);
    }
    this.#settled = n;
    this.#lastN = Math.max(this.#lastN, n);
    return done;
  }

  /**
   * Something else stands under the next number.
   * @returns what was sealed under it, which is not sealed any more
   */
  displace(n: number): Entry | undefined {
    const entry = this.#sealed.get(n);
    this.#sealed.delete(n);
    this.settle(n);
    if (entry === undefined) return undefined;
    entry.sealed = undefined;
    const { instead = [] } = entry.content;
    entry.content = { ...entry.content, instead: [...instead, n].slice(-MAX_INSTEAD) };
    return entry;
  }

  /**
   * Forgets of what is kept the oldest beyond `KEPT_MESSAGES`.
   * @returns the number up to which all is forgotten
   */
  prune(): number {
    for (const [n, draft] of this.#kept) {
      if (this.#kept.size <= KEPT_MESSAGES) break;
      this.#kept.delete(n);
      this.#forget(draft);
      this.#forgotten = n;
    }
    return this.#forgotten;
  }

  /** Whether all that was settled after `n` is kept, as far as it was one's own. */
  canTakeBack(n: number): boolean {
    return n >= Math.min(this.#settled, this.#forgotten);
  }

  /** Numbers after `n` have no places any more; `entries` are what was sealed under them. */
  takeBack(n: number, entries: readonly Entry[]): void {
    if (n >= this.#settled) return;
    for (const number of this.#kept.keys()) if (number > n) this.#kept.delete(number);
    for (const entry of entries) this.add(entry);
    const inOrder = [...this.#pending].sort(([one], [other]) => one - other);
    this.#pending.clear();
    for (const [draft, entry] of inOrder) this.#pending.set(draft, entry);
    this.#settled = n;
    this.close();
  }

  /**
   * Looks again how far numbers are in use. Somebody may have told of a number far beyond all, and something was sealed behind it: with so
   * many before it that nobody uses, it can never be stored, and is sealed anew.
   */
  close(): void {
    const numbers = [...this.#sealed.keys()].sort((one, other) => one - other);
    this.#lastN = this.#settled;
    for (const n of numbers) {
      if (n - this.#lastN - 1 <= MAX_HOLE) {
        this.#lastN = n;
        continue;
      }
      this.#sealed.get(n)!.sealed = undefined;
      this.#sealed.delete(n);
    }
  }

  /** The first number after `after` that nothing is sealed under, though something is after it. */
  hole(after: number): number | undefined {
    if (this.#sealed.size >= this.#lastN - this.#settled) return undefined;
    let n = Math.max(this.#settled, after) + 1;
    while (n <= this.#lastN && this.#sealed.has(n)) n += 1;
    return n <= this.#lastN ? n : undefined;
  }

  /** The first after number `after` whose envelope is longer than `most`. */
  firstTooLong(after: number, most: number): Entry | undefined {
    return this.#sealed.values().find(({ sealed }) => sealed!.n > after && sealed!.envelope.length > most);
  }

  /** Whether exactly this is sealed under this number, and has no place yet. */
  isSealedAs(n: number, envelope: Uint8Array): boolean {
    const entry = this.#sealed.get(n);
    return entry?.sealed !== undefined && equalBytes(entry.sealed.envelope, envelope);
  }

  #takeOut(entry: Entry): void {
    if (this.#pending.delete(entry.draft)) this.#bytes -= entry.bytes;
  }

  #keep(draft: KeptDraft): void {
    this.#kept.set(draft.n, draft);
    this.#know(draft);
  }

  #know({ id, draft }: Pick<Entry, 'id' | 'draft'>): void {
    if (id !== undefined) this.#ids.set(toHex(id), draft);
  }

  #forget({ id }: Pick<Entry, 'id'>): void {
    if (id !== undefined) this.#ids.delete(toHex(id));
  }
}

export function bytesOf(content: Content): number {
  return content.kind === 'text' ? textBytes(content.text) : 0;
}
