import { toHex } from '../bytes.ts';
import type { Delivery } from '../encryption/transcript.ts';
import type { MemberId } from './client-events.ts';

/**
 * The last messages before the place where one left off, fetched once more to be shown above what is new. They change
 * nothing of what one knows of the room; so all that is asked of them is that they can be what was read then.
 */
export class RecentHistory {
  /** The last place that was fetched, and the last to be fetched. */
  #place: number;
  readonly #end: number;
  readonly #known: number;
  readonly #numbers = new Map<MemberId, number>();
  #over = false;

  /**
   * @param count of the messages up to `end`
   * @param known the place up to which messages come again after it, which are kept here
   */
  constructor(end: number, count: number, known: number) {
    this.#place = Math.max(0, end - count);
    this.#end = end;
    this.#known = known;
  }

  /** Where to join, to get what is left of it; `undefined` when nothing is. */
  get since(): number | undefined {
    return this.#over || this.#place >= this.#end ? undefined : this.#place;
  }

  /** Whether `seq` is a place of it that was not yet delivered. */
  includes(seq: number): boolean {
    return !this.#over && seq > this.#place && seq <= this.#end;
  }

  /** Whether `seq` comes only because what is before it was asked for. */
  skips(seq: number): boolean {
    return !this.#over && seq > this.#end && seq <= this.#known;
  }

  /**
   * Takes a delivery at a place of it.
   * @param known the last number of the sender that was verified before
   * @returns whether its number can be that of a message which was read there
   */
  take({ seq, member, n }: Delivery, known: number): boolean {
    this.#place = seq;
    const id = toHex(member);
    if (n > known || n <= (this.#numbers.get(id) ?? 0)) return false;
    this.#numbers.set(id, n);
    return true;
  }

  /** What comes now is new, or nothing comes. */
  end(): void {
    this.#over = true;
  }
}
