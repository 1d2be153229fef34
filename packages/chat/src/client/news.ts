import { toHex } from '../bytes.ts';
import type { ReceivedContent } from '../encryption/content.ts';
import type { Delivery } from '../encryption/transcript.ts';
import type { ChatMessage } from './client-events.ts';
import type { LocalHistory } from './local-history.ts';
import type { Taken } from './own-messages.ts';
import type { ReadingPlace } from './reading-place.ts';
import type { StateChange } from './state-store.ts';
import type { Turn } from './turn.ts';
import { Unconfirmed } from './unconfirmed.ts';

export type NewsOptions = {
  readonly place: ReadingPlace;
  readonly turn: Turn;
  readonly history: LocalHistory;
  /** Messages that an earlier process handed over, and that were not confirmed. */
  readonly handedOver: readonly ChatMessage[];
  /** As the user asked; see `ChatClientOptions`. */
  readonly since: number | undefined;
};

/**
 * What the user is told of the content of messages, and what is kept of it.
 *
 * 1. What an earlier process handed over MUST be handed over again before anything that is newer.
 * 2. What is handed over MUST be stored with the place that it was read at (`takeChanges`).
 */
export class News {
  readonly #options: NewsOptions;
  readonly #unconfirmed = new Unconfirmed();
  /** Keys of what an earlier process handed over. */
  readonly #again: ReadonlySet<number>;

  constructor(options: NewsOptions) {
    this.#options = options;
    this.#again = new Set(options.handedOver.map(({ key }) => key));
  }

  /** Whether so much is not confirmed that no more is to follow. */
  get isFull(): boolean {
    return this.#unconfirmed.isFull;
  }

  /** Hands over messages that are kept, to be confirmed as if they were new. */
  handOverAgain(messages: readonly ChatMessage[]): void {
    for (const kept of messages) {
      const message = { ...kept, old: false, again: this.#again.has(kept.key) };
      this.#unconfirmed.add(message, true);
      this.#options.turn.add(['message', message]);
    }
  }

  /** Tells messages that were confirmed in an earlier run. */
  recall(messages: readonly ChatMessage[]): void {
    for (const message of messages) this.#options.turn.add(['message', message]);
  }

  /** @param sent what became of it, if it is one's own: that of this process the user knows from elsewhere */
  tell(delivery: Delivery, content: ReceivedContent, sent?: Taken): void {
    const { turn, place, history, since = 0 } = this.#options;
    const { seq } = delivery;
    const member = toHex(delivery.member);
    const { name: from } = content;
    const own = sent !== undefined;
    switch (content.kind) {
      case 'text': {
        if (place.wasRead(delivery) || sent?.isEarlier === false) return;
        const { text } = content;
        const marks = { own, again: place.wasHandedOver(seq), old: false };
        const key = sent?.key ?? history.nextKey(seq);
        const message = { key, seq, from, member, text, at: new Date(content.at), ...marks };
        if (sent?.key === undefined) history.keep(message);
        if (seq <= since) return;
        this.#unconfirmed.add(message, false);
        turn.add(['message', message]);
        return;
      }
      case 'name':
        if (!own) turn.add(['introduction', { member, name: from }]);
        return;
      case 'unknown':
        turn.add(['unsupported', { seq, member, name: from, kind: content.of }]);
    }
  }

  /** @returns what is to be stored of it */
  confirm(key: number): StateChange[] {
    const done = this.#unconfirmed.confirm(key);
    return done.messages === 0 ? [] : this.#options.history.confirmed(key, done);
  }

  /** What is to be stored, once. What was read at places that are not is kept, but not to be handed over again: it will be read again. */
  async takeChanges(): Promise<StateChange[]> {
    const { place, history } = this.#options;
    return await history.takeChanges(place.isStoring ? this.#unconfirmed.takeUnstored() : []);
  }
}
