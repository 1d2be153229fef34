import type { Content, ReceivedContent } from './content.ts';
import type { ChainPosition } from './envelope.ts';

/**
 * Seals one member's messages for a room, and opens those of the others. It knows keys and nothing of connections,
 * order or history: what a hostile server does to those, `Transcript` finds out.
 *
 * The server takes no part in it, so kinds can differ from room to room. The first is `SharedKeyCipher`, whose keys stay what
 * they are. One that changes who is a member (MLS, RFC 9420) has kinds of `Content` of its own to say so, deletes keys as it
 * goes on, and relies on all of this:
 *
 * 1. `open` MUST be called in the order of the room, one call after the other. What was read once and is to be seen again
 *    comes from where it was kept, and MUST NOT be opened again.
 * 2. `open` and `seal` change nothing by themselves. `applied` of the `change` that each gives MUST be called when the message is
 *    accepted, or its envelope taken over by the outbox, and before the next `open` or `seal`. The change MUST become durable in the same
 *    transaction as that, and before the message is shown or the envelope sent. If that transaction fails, the cipher is ahead of what is
 *    stored, and MUST NOT be used any more. A message that is not accepted (dropped, or asked for again) MUST NOT have its change applied
 *    or stored; it may be opened anew, as if for the first time.
 * 3. `seal` may be asked again for the same draft, under another number, as long as the draft is not known to be stored at the
 *    server: when others put something under its number, or when the group has changed meanwhile. The numbers in one
 *    object MUST ascend between two calls of `renew`.
 * 4. What is sent again without being sealed again MUST be the same envelope, bit for bit.
 * 5. `renew` MUST be called on each connection, when its challenge is known and before anything is sealed for it.
 * 6. `close` MUST come last. What was called before ends as it would have; what is called later fails.
 */
export interface RoomCipher extends AsyncDisposable {
  /** One's own Ed25519 public key. */
  readonly member: Uint8Array;
  /**
   * Whether what was opened and accepted can be opened again. If not, a room is not read once more from its first message when its server
   * has forgotten some: the client stops.
   */
  readonly opensAgain: boolean;

  /**
   * Seals a message.
   * @param n its number; greater than that of every `seal` since `renew`
   * @param seen how far one has read
   * @throws {RangeError} if `n` is not greater: sealing two messages with one number would give both away
   * @throws {CryptoError} what the crypto device throws
   */
  seal(n: number, content: Content, seen: ChainPosition): Promise<SealedMessage>;

  /**
   * Verifies and opens a message that claims to be number `n` of `member`; `envelope` is not kept.
   * @throws {MessageError} if it is not, or cannot be understood: it is to be dropped
   * @throws {CryptoError} if the crypto device fails, which says nothing about the message
   */
  open(member: Uint8Array, n: number, envelope: Uint8Array): Promise<OpenedMessage>;

  /**
   * Goes on with fresh keys, if the kind has keys of one's own that could be used twice: where this process runs a second time, from a
   * saved machine say, the two must part. What was sealed before can still be opened.
   * @param unique what no other connection has; public, and need not be random
   */
  renew(unique: Uint8Array): Promise<void>;

  /** Wipes the keys. Twice is fine. */
  close(): Promise<void>;
}

/** What the cipher knows from now on, if the message is accepted. */
export type StateChange = {
  /** For the store, which keeps it sealed, and does not look inside; to be stored with the acceptance, not by `applied`. */
  readonly state: Uint8Array;
  /** Makes it so in memory, for the next `open` and `seal`. */
  applied(): void;
};

export type SealedMessage = {
  readonly envelope: Uint8Array;
  /** `undefined` if the kind keeps no state. */
  readonly change: StateChange | undefined;
};

export type OpenedMessage = {
  readonly content: ReceivedContent;
  /** How far the sender had read. */
  readonly seen: ChainPosition;
  /** `undefined` if the kind keeps no state. */
  readonly change: StateChange | undefined;
};
