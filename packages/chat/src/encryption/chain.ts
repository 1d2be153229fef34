import { concat, equalBytes, u64, utf8 } from './bytes.ts';
import { CHAIN_HASH_BYTES, type ChainPosition } from './envelope.ts';
import { type Bytes, sha256 } from './primitives.ts';

const GENESIS_LABEL = utf8('skytale chain 1');
/** Of how many messages back one can still compare. */
export const CHAIN_WINDOW = 8192;

/** What another's position says of one's own history. `unknown`: too long ago, or one does not know one's own. */
export type Comparison = 'same' | 'differs' | 'unknown';

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
 */
export class Chain {
  readonly #genesis: Bytes;
  #seq: number;
  #hash: Uint8Array | undefined;
  /** h at the last places; while unanchored, what h is made of there. */
  readonly #recent = new Map<number, Uint8Array>();

  /** @param hash at `seq`; `undefined` if unknown. Without both, the beginning of the room. */
  constructor(roomId: Uint8Array, seq = 0, hash?: Uint8Array) {
    this.#genesis = sha256(concat(GENESIS_LABEL, roomId));
    this.#seq = seq;
    this.#hash = seq === 0 ? this.#genesis : hash;
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

  /** Adds the message at the next place. */
  append(member: Uint8Array, n: number, envelope: Uint8Array): void {
    this.#seq += 1;
    const link = concat(u64(this.#seq), member, u64(n), sha256(envelope));
    if (this.#hash === undefined) {
      this.#recent.set(this.#seq, link);
    } else {
      this.#hash = sha256(concat(this.#hash, link));
      this.#recent.set(this.#seq, this.#hash);
    }
    this.#recent.delete(this.#seq - CHAIN_WINDOW);
  }

  /** Goes on after `seq` without knowing what was before. */
  skipTo(seq: number): void {
    this.#seq = seq;
    this.#hash = undefined;
    this.#recent.clear();
  }

  /**
   * Compares another's position with one's own; an unanchored chain takes it over.
   * @param position of a verified message that stands at `seq` + 1
   */
  compare(position: ChainPosition): Comparison {
    if (position.seq === 0) return equalBytes(position.hash, this.#genesis) ? 'same' : 'differs';
    if (position.seq > this.#seq) return 'differs';
    if (this.#hash === undefined) return this.#anchor(position);
    const own = this.#recent.get(position.seq);
    if (own === undefined) return 'unknown';
    return equalBytes(own, position.hash) ? 'same' : 'differs';
  }

  #anchor(position: ChainPosition): Comparison {
    const links: Uint8Array[] = [];
    for (let seq = position.seq + 1; seq <= this.#seq; seq += 1) {
      const link = this.#recent.get(seq);
      if (link === undefined) return 'unknown';
      links.push(link);
    }
    let hash: Uint8Array = position.hash.slice(0, CHAIN_HASH_BYTES);
    this.#recent.clear();
    this.#recent.set(position.seq, hash);
    for (const [index, link] of links.entries()) {
      hash = sha256(concat(hash, link));
      this.#recent.set(position.seq + 1 + index, hash);
    }
    this.#hash = hash;
    return 'same';
  }
}
