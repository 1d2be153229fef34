import { concat, equalBytes, u64 } from '../encryption/bytes.ts';
import { sha256 } from '../encryption/primitives.ts';
import type { Delivery } from '../encryption/transcript.ts';

/**
 * What a connection brought that was wrong, to be compared with what the next one brings. Damage on the way differs, and what comes
 * the same way twice the server has: a member can publish rubbish, which an honest server then delivers to everybody.
 */
export class Doubts {
  /** Digests of what was delivered, by place: of the delivery in doubt, and of those that stood behind it in the queue. */
  readonly #deliveries = new Map<number, Uint8Array>();
  #hole = { after: -1, head: 0 };

  /** The present connection is given up; `deliveries` are those it brought that were not believed, or not read. */
  note(deliveries: readonly Delivery[]): void {
    this.#deliveries.clear();
    for (const delivery of deliveries) this.#deliveries.set(delivery.seq, digest(delivery));
  }

  /** Whether the connection before brought the same message at the same place. */
  confirm(delivery: Delivery): boolean {
    const before = this.#deliveries.get(delivery.seq);
    return before !== undefined && equalBytes(before, digest(delivery));
  }

  /** @param head where the room ended by the JOINED of the present connection, which has nothing to follow `after` */
  noteHole(after: number, head: number): void {
    this.#hole = { after, head };
  }

  /** Whether the connection before had no message to follow `after` either, and told of messages up to `last` at least. */
  confirmHole(after: number, last: number): boolean {
    return this.#hole.after === after && last <= this.#hole.head;
  }
}

function digest({ seq, member, n, envelope }: Delivery): Uint8Array {
  return sha256(concat(u64(seq), member, u64(n), sha256(envelope)));
}
