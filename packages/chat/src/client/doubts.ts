import { concat, equalBytes, u64 } from '../bytes.ts';
import type { ChatCrypto } from '../crypto.ts';
import type { Delivery } from '../encryption/transcript.ts';

/**
 * What a connection brought that was wrong, to be compared with what the next one brings. Damage on the way differs, and what comes
 * the same way twice the server has: a member can publish rubbish, which an honest server then delivers to everybody.
 */
export class Doubts {
  readonly #crypto: ChatCrypto;
  /** Digests of what was delivered, by place: of the delivery in doubt, and of those that stood behind it in the queue. */
  #deliveries: ReadonlyMap<number, Uint8Array> = new Map();
  #hole = { after: -1, head: 0 };

  constructor(crypto: ChatCrypto) {
    this.#crypto = crypto;
  }

  /** The present connection is given up; `deliveries` are those it brought that were not believed, or not read. */
  async note(deliveries: readonly Delivery[]): Promise<void> {
    const digests = await Promise.all(deliveries.map((delivery) => this.#digest(delivery)));
    this.#deliveries = new Map(digests.map((digest, index) => [deliveries[index]!.seq, digest]));
  }

  /** Whether the connection before brought the same message at the same place. */
  async confirm(delivery: Delivery): Promise<boolean> {
    const before = this.#deliveries.get(delivery.seq);
    return before !== undefined && equalBytes(before, await this.#digest(delivery));
  }

  /** @param head where the room ended by the JOINED of the present connection, which has nothing to follow `after` */
  noteHole(after: number, head: number): void {
    this.#hole = { after, head };
  }

  /** Whether the connection before had no message to follow `after` either, and told of messages up to `last` at least. */
  confirmHole(after: number, last: number): boolean {
    return this.#hole.after === after && last <= this.#hole.head;
  }

  async #digest({ seq, member, n, envelope }: Delivery): Promise<Uint8Array> {
    const inner = await this.#crypto.sha256(envelope);
    return this.#crypto.sha256(concat(u64(seq), member, u64(n), inner));
  }
}
