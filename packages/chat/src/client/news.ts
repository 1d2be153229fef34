import { toHex } from '../bytes.ts';
import type { ReceivedContent, TextContent } from '../encryption/content.ts';
import type { Delivery } from '../encryption/transcript.ts';
import type { ChatMessage } from './client-events.ts';
import type { ReadingPlace } from './reading-place.ts';
import type { StateChange } from './state-store.ts';
import type { TextRecords } from './text-records.ts';
import type { Turn } from './turn.ts';
import { Unconfirmed } from './unconfirmed.ts';

export type NewsOptions = {
  readonly place: ReadingPlace;
  readonly turn: Turn;
  readonly records: TextRecords;
  /** Messages that an earlier process handed over, and that were not confirmed. */
  readonly handedOver: readonly ChatMessage[];
  /** As the user asked; see `ChatClientOptions`. */
  readonly since: number | undefined;
};

/**
 * What the user is told of the content of messages, and what is kept of it until it is confirmed.
 *
 * 1. What an earlier process handed over MUST be handed over again before anything that is newer.
 * 2. What is handed over MUST be stored with the place that it was read at (`takeChanges`).
 */
export class News {
  readonly #options: NewsOptions;
  readonly #unconfirmed = new Unconfirmed();
  #handedOver: readonly ChatMessage[];

  constructor(options: NewsOptions) {
    this.#options = options;
    this.#handedOver = options.handedOver;
  }

  /** Whether so much is not confirmed that no more is to follow. */
  get isFull(): boolean {
    return this.#unconfirmed.isFull;
  }

  /** Hands over what an earlier process did, if that was not done yet. */
  handOverAgain(): void {
    for (const message of this.#handedOver) {
      this.#unconfirmed.add(message, true);
      this.#options.turn.add(['message', message]);
    }
    this.#handedOver = [];
  }

  /** @param isNews whether the user does not know it from elsewhere */
  tell(
    delivery: Delivery,
    content: ReceivedContent,
    { own, isNews }: { readonly own: boolean; readonly isNews: boolean },
  ): void {
    const { turn, place, since = 0 } = this.#options;
    const { seq } = delivery;
    const member = toHex(delivery.member);
    const { name } = content;
    switch (content.kind) {
      case 'text': {
        if (!isNews || seq <= since || place.wasRead(delivery)) return;
        const message = messageOf(delivery, content, { own, again: place.wasHandedOver(seq), old: false });
        this.#unconfirmed.add(message, false);
        turn.add(['message', message]);
        return;
      }
      case 'name':
        if (!own) turn.add(['introduction', { member, name }]);
        return;
      case 'unknown':
        turn.add(['unsupported', { seq, member, name, kind: content.of }]);
    }
  }

  /** Tells a message that was confirmed in an earlier run. */
  recall(delivery: Delivery, content: TextContent, own: boolean): void {
    this.#options.turn.add(['message', messageOf(delivery, content, { own, again: false, old: true })]);
  }

  /** @returns whether there was anything to confirm */
  confirm(seq: number): boolean {
    return this.#unconfirmed.confirm(seq);
  }

  /** Places mean something else from now on: what was handed over before cannot be confirmed any more. */
  forget(): void {
    this.#unconfirmed.clear();
  }

  /** What is to be stored, once. */
  async takeChanges(): Promise<StateChange[]> {
    const { place, records } = this.#options;
    const unstored = this.#unconfirmed.takeUnstored(place.floor);
    return await Promise.all(
      unstored.map(async (message): Promise<StateChange> => {
        return { kind: 'message', seq: message.seq, record: await records.ofMessage(message) };
      }),
    );
  }
}

function messageOf(
  { seq, member }: Delivery,
  { name, text, at }: TextContent,
  marks: Pick<ChatMessage, 'own' | 'again' | 'old'>,
): ChatMessage {
  return { seq, from: name, member: toHex(member), text, at: new Date(at), ...marks };
}
