import type { LastMessage } from '../log/message-log.ts';

const NO_HASH = new Uint8Array(32);
const NOTHING: LastMessage = { n: 0, hash: NO_HASH };

/** How far one member's messages have come: stored up to one number, accepted up to another. */
export interface MemberNumber {
  readonly stored: LastMessage;
  readonly accepted: number;
}

class Numbers implements MemberNumber {
  stored = NOTHING;
  accepted = 0;
  /** Seats that hold it. */
  holders = 0;
  /** Messages that the room's writer has, whether others have stored them already or not. */
  underWay = 0;
}

interface Waiting {
  readonly number: Numbers;
  /** What it waits for: that `n` is stored; 0: that nothing is under way. */
  readonly n: number;
  readonly work: () => void;
}

/**
 * The numbers of a room's members.
 *
 * 1. `stored` is the last message of the member that is known to be in the log. It never falls.
 * 2. `accepted` is at least that. The messages between are on their way to the log, each once, in order.
 * 3. So `accepted` rises by one with each message that is handed to the room's writer, and falls, back to `stored`, only
 *    when the writer has dropped all that was on its way of the member (`dropped`, `droppedOf`): never because one more was refused.
 * 4. A member is known as long as a seat holds it or the writer has something of it (until `over` or `dropped`), whichever
 *    connection sent that: what another writer has stored meanwhile counts only when the writer no longer has it too,
 *    for it asks whether it is stored (`has`).
 * 5. Who waits is told when what it waits for is stored or dropped, and not before the room's clients were given it.
 *
 * Cost: O(1) for each message; `tell` O(w) for w that wait, of whom each has one connection that is not read from meanwhile.
 */
export class MemberNumbers {
  readonly #members = new Map<string, Numbers>();
  #waiting: Waiting[] = [];

  /** Members that are known. */
  get size(): number {
    return this.#members.size;
  }

  /** The number of a member, for a seat; `release` it. */
  hold(member: string): MemberNumber {
    const number = this.#members.get(member) ?? new Numbers();
    this.#members.set(member, number);
    number.holders += 1;
    return number;
  }

  release(member: string): void {
    const number = this.#members.get(member);
    if (number === undefined) return;
    number.holders -= 1;
    this.#forget(member, number);
  }

  /** Whether message `n` of a member is known to be in the log. */
  has(member: string, n: number): boolean {
    return n <= (this.#members.get(member)?.stored.n ?? 0);
  }

  /** Message `n`, which must be the next one, was handed to the writer. */
  accept(member: string, n: number): void {
    const number = this.#members.get(member)!;
    number.accepted = n;
    number.underWay += 1;
  }

  /** Of a member's messages that are stored, the writer has that many no longer. */
  over(member: string, count: number): void {
    const number = this.#members.get(member);
    if (number === undefined) return;
    number.underWay -= count;
    this.#forget(member, number);
  }

  /** The log has this message of a member, and all before it. */
  stored(member: string, last: LastMessage): void {
    const number = this.#members.get(member);
    if (number === undefined || last.n <= number.stored.n) return;
    number.stored = last;
    number.accepted = Math.max(number.accepted, last.n);
  }

  /** What was on its way, of all members, will not be stored. */
  dropped(): void {
    for (const member of this.#members.keys()) this.droppedOf(member);
  }

  /** The same of one member. */
  droppedOf(member: string): void {
    const number = this.#members.get(member);
    if (number === undefined) return;
    number.accepted = number.stored.n;
    number.underWay = 0;
    this.#forget(member, number);
  }

  /** Calls `work` when message `n` of a member is stored, or all that is on its way was dropped. */
  whenStored(member: string, n: number, work: () => void): void {
    this.#waiting.push({ number: this.#members.get(member)!, n, work });
  }

  /** Calls `work` when nothing of a member is on its way. */
  whenSettled(member: string, work: () => void): void {
    this.#waiting.push({ number: this.#members.get(member)!, n: 0, work });
  }

  /** Tells those whose waiting is over. */
  tell(): void {
    if (this.#waiting.length === 0) return;
    const over = ({ number, n }: Waiting) =>
      number.accepted === number.stored.n || (n > 0 && n <= number.stored.n);
    const told = this.#waiting.filter(over);
    this.#waiting = this.#waiting.filter((waiting) => !over(waiting));
    for (const { work } of told) work();
  }

  #forget(member: string, number: Numbers): void {
    if (number.holders === 0 && number.underWay === 0) this.#members.delete(member);
  }
}
