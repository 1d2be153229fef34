import { type Bytes, concat, copyOf, equalBytes, u64, utf8 } from '../bytes.ts';
import type { ChatCrypto } from '../crypto.ts';
import { CHAIN_HASH_BYTES, type ChainPosition } from './envelope.ts';

const GENESIS_LABEL = utf8('skytale chain 1');
/** Of how many messages back one can still compare. */
export const CHAIN_WINDOW = 8192;

/** What another's position says of one's own history. `unknown`: too long ago, or one does not know one's own. */
export type Comparison = 'same' | 'differs' | 'unknown';

/** What the hash of a place is made of. */
export type Link = { readonly member: Uint8Array; readonly n: number; readonly envelope: Uint8Array };

/** h(0) of a room. */
export function genesisOf(crypto: ChatCrypto, roomId: Uint8Array): Promise<Bytes> {
  return crypto.sha256(concat(GENESIS_LABEL, roomId));
}

/**
 * The hash chain over all that a room's server delivered (docs/protocol.md, "History"):
 *
 *     h(0) = SHA-256("skytale chain 1" || room id)
 *     h(k) = SHA-256(h(k-1) || k || member || n || SHA-256(envelope))
 *
 * Two members with equal hashes at one place were shown the same messages, in the same order, up to there.
 *
 * Whoever has not seen all from the first message on cannot compute it: the chain is *unanchored*. It then keeps what
 * it is shown, and takes over the first hash that a verified message tells of a place since then.
 *
 * Adding a place costs two hashes, and anchoring as many as there are places since; comparing costs a look into a table. It holds
 * 32 or 80 bytes for each of the last `CHAIN_WINDOW` places.
 *
 * 1. `append` MUST NOT be called before an earlier call has ended, nor `skipTo`. `Transcript` sees to that.
 */
export class Chain {
  readonly #crypto: ChatCrypto;
  readonly #genesis: Uint8Array;
  #seq: number;
  #hash: Uint8Array | undefined;
  /** h at the last places; while unanchored, what h is made of there. */
  #recent = new Map<number, Uint8Array>();

  /**
   * @param genesis of the room, by `genesisOf`
   * @param hash at `seq`; `undefined` if unknown. Without both, the beginning of the room.
   */
  constructor(crypto: ChatCrypto, genesis: Uint8Array, seq = 0, hash?: Uint8Array) {
    this.#crypto = crypto;
    this.#genesis = genesis;
    this.#seq = seq;
    this.#hash = seq === 0 ? genesis : hash;
    if (this.#hash !== undefined) this.#recent.set(seq, this.#hash);
  }

  get seq(): number {
    return this.#seq;
  }

  /** The hash at `seq`; `undefined` while unanchored. */
  get hash(): Uint8Array | undefined {
    return this.#hash;
  }

  /** What one tells others; while unanchored the beginning, which tells nothing. */
  get position(): ChainPosition {
    return this.#hash === undefined ? { seq: 0, hash: this.#genesis } : { seq: this.#seq, hash: this.#hash };
  }

  /**
   * Adds the message at the next place, and compares what its sender had seen with one's own; an unanchored chain takes
   * that over. All changes at once, when all is computed; if that fails, nothing does.
   * @param seen of a message that was verified
   */
  async append({ member, n, envelope }: Link, seen?: ChainPosition): Promise<Comparison | undefined> {
    const seq = this.#seq + 1;
    const link = concat(u64(seq), member, u64(n), await this.#crypto.sha256(envelope));
    const comparison = seen && this.#compare(seen);
    const anchored = comparison === 'anchors' ? await this.#anchoredAt(seen!) : undefined;
    const before = anchored?.get(this.#seq) ?? this.#hash;
    const hash = before && (await this.#crypto.sha256(concat(before, link)));
    if (anchored !== undefined) this.#recent = anchored;
    this.#seq = seq;
    this.#hash = hash;
    this.#recent.set(seq, hash ?? link);
    this.#recent.delete(seq - CHAIN_WINDOW);
    return comparison === 'anchors' ? 'same' : comparison;
  }

  /** Goes on after `seq` without knowing what was before. */
  skipTo(seq: number): void {
    this.#seq = seq;
    this.#hash = undefined;
    this.#recent.clear();
  }

  #compare(position: ChainPosition): Comparison | 'anchors' {
    if (position.seq === 0) return equalBytes(position.hash, this.#genesis) ? 'same' : 'differs';
    if (position.seq > this.#seq) return 'differs';
    // While unanchored the window holds all places after the first: one that is missing is too long ago.
    if (this.#hash === undefined) {
      const first = position.seq + 1;
      return first > this.#seq || this.#recent.has(first) ? 'anchors' : 'unknown';
    }
    const own = this.#recent.get(position.seq);
    if (own === undefined) return 'unknown';
    return equalBytes(own, position.hash) ? 'same' : 'differs';
  }

  /** The hashes from another's position on, by one's own links. */
  async #anchoredAt(position: ChainPosition): Promise<Map<number, Uint8Array>> {
    let hash: Uint8Array = copyOf(position.hash.subarray(0, CHAIN_HASH_BYTES));
    const hashes = new Map([[position.seq, hash]]);
    for (let seq = position.seq + 1; seq <= this.#seq; seq += 1) {
      hash = await this.#crypto.sha256(concat(hash, this.#recent.get(seq)!));
      hashes.set(seq, hash);
    }
    return hashes;
  }
}
