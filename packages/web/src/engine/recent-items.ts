/** The last items of a room, in order, as a page that opens it is shown. */
import type { Item, Message, Notice } from '../engine.ts';
import { MAX_NOTICES } from './notices.ts';

/** So many are shown at first, and the notices among them. */
export const RECENT_MESSAGES = 100;

/** Messages that have their places, and notices; and one's own messages that wait. */
export class RecentItems {
  readonly #items: Item[] = [];
  readonly #waiting = new Map<number, Message>();
  #messages = 0;
  #notices = 0;
  #last = 0;

  constructor(items: readonly Item[], waiting: readonly Message[]) {
    for (const item of items) this.#add(item);
    for (const message of waiting) this.#waiting.set(message.n!, message);
  }

  /** The place of the last message. */
  get last(): number {
    return this.#last;
  }

  get all(): Item[] {
    return [...this.#items, ...this.#waiting.values()];
  }

  wait(message: Message): void {
    this.#waiting.set(message.n!, message);
  }

  notice(notice: Notice): void {
    this.#add(notice);
  }

  /** @returns false if it is there already */
  message(message: Message): boolean {
    if (message.seq! <= this.#last) return false;
    this.#add(message);
    return true;
  }

  /** A message of one's own has its place. @returns false if it did not wait, or was not one that is shown */
  sent(n: number, seq: number): boolean {
    const message = this.#waiting.get(n);
    if (!this.#waiting.delete(n) || message === undefined) return false;
    this.message({ ...message, seq });
    return true;
  }

  /** A message of one's own does not wait any more. */
  dropped(n: number): void {
    this.#waiting.delete(n);
  }

  /** The number of the message of one's own that waits and is this one, which came from the server. */
  waitingAs({ text, at }: Pick<Message, 'text' | 'at'>): number | undefined {
    return this.#waiting.values().find((message) => message.text === text && message.at === at)?.n;
  }

  /** How many messages of others came behind a place, as far as they are here. */
  countAfter(seq: number, isCounted: (message: Message) => boolean): number {
    const counted = this.#items.filter(
      (item) => item.kind === 'message' && item.seq! > seq && isCounted(item),
    );
    return counted.length;
  }

  #add(item: Item): void {
    this.#items.push(item);
    if (item.kind === 'message') {
      this.#last = Math.max(this.#last, item.seq!);
      this.#messages += 1;
      if (this.#messages > RECENT_MESSAGES) this.#dropFirst();
    } else {
      this.#notices += 1;
      if (this.#notices > MAX_NOTICES) this.#drop(this.#items.findIndex(({ kind }) => kind === 'notice'));
    }
  }

  /** The first message, and all before the second: what is left begins with a message, as a page of the history does. */
  #dropFirst(): void {
    let dropped = 0;
    while (this.#items[0] !== undefined && (dropped === 0 || this.#items[0].kind === 'notice')) {
      if (this.#items[0].kind === 'message') dropped += 1;
      this.#drop(0);
    }
  }

  #drop(at: number): void {
    const [dropped] = this.#items.splice(at, 1);
    if (dropped?.kind === 'message') this.#messages -= 1;
    else this.#notices -= 1;
  }
}
