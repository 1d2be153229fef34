/** Members who have come and whose names are not known yet: their names follow in a moment, encrypted. */
import type { MemberId } from '@skytale/chat';

/** How long a name is waited for before it is said that somebody came. */
const nameWithinMs = 1000;

export class Newcomers implements Disposable {
  readonly #announce: (member: MemberId) => void;
  readonly #waiting = new Map<MemberId, NodeJS.Timeout>();

  /** @param announce says that a member has come; called once for each `came` */
  constructor(announce: (member: MemberId) => void) {
    this.#announce = announce;
  }

  came(member: MemberId): void {
    if (this.#waiting.has(member)) return;
    this.#waiting.set(
      member,
      setTimeout(() => this.settle(member), nameWithinMs),
    );
  }

  /** The name is known, or something is to be said of the member: no more waiting. */
  settle(member: MemberId): void {
    const timer = this.#waiting.get(member);
    if (timer === undefined) return;
    clearTimeout(timer);
    this.#waiting.delete(member);
    this.#announce(member);
  }

  [Symbol.dispose](): void {
    for (const timer of this.#waiting.values()) clearTimeout(timer);
    this.#waiting.clear();
  }
}
