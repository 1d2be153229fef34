import type { ChatCrypto } from '../crypto.ts';
import type { Delivery } from '../encryption/transcript.ts';
import { ChatError } from './chat-error.ts';
import type { Warning } from './client-events.ts';
import { Doubts } from './doubts.ts';
import type { Turn } from './turn.ts';

/**
 * Asks the server again about what it sent: the connection is given up, and what the next one brings at the same place in the same way
 * is believed.
 *
 * 1. What is asked about MUST be reported, once.
 * 2. Each method that says so has given the connection up: nothing that came behind MUST be read.
 */
export class Questions {
  readonly #turn: Turn;
  readonly #doubts: Doubts;
  readonly #onBroken: (reason: ChatError) => void;

  /** @param onBroken the connection is to be given up, and made anew */
  constructor(crypto: ChatCrypto, turn: Turn, onBroken: (reason: ChatError) => void) {
    this.#turn = turn;
    this.#doubts = new Doubts(crypto);
    this.#onBroken = onBroken;
  }

  /** The connection was given up, with these deliveries unread. */
  async leave(unread: readonly Delivery[]): Promise<void> {
    await this.#doubts.note(unread);
  }

  /**
   * Asks about a delivery at the place after `after`.
   * @returns whether it did; not if the connection before brought the same
   */
  async askAbout(delivery: Delivery, warning: Warning, after: number): Promise<boolean> {
    if (await this.#doubts.confirm(delivery)) return false;
    this.#onBroken(this.asking(warning, after));
    return true;
  }

  /**
   * Whether to believe that nothing is to be had after a place up to the place `last`: no further than two connections, one after the
   * other, told of messages when one joined.
   * @param head where the room ended when this one joined
   */
  believesHole(after: number, last: number, head: number): boolean {
    if (last <= head && this.#doubts.confirmHole(after, last)) return true;
    this.#doubts.noteHole(after, head);
    return false;
  }

  /** Asks about what is missing after a place. */
  askAboutHole(warning: Warning, after: number): void {
    this.#onBroken(this.asking(warning, after));
  }

  /** The reason to give a connection up, for one that asks. */
  asking(warning: Warning, after: number): ChatError {
    this.#turn.reportAndAsk(warning, after);
    const text = `What the server sent is damaged or incomplete; asking it again. ${warning.text}`;
    return new ChatError('CHAT_PROTOCOL_VIOLATION', text);
  }

  /** Gives the connection up because the server does what it must not. */
  breakOff(what: string): void {
    const text = `The server breaks the protocol: ${what}.`;
    this.#turn.warn('PROTOCOL_VIOLATION', text);
    this.#onBroken(new ChatError('CHAT_PROTOCOL_VIOLATION', text));
  }
}
