import type { Content } from './content.ts';
import type { ChainPosition } from './envelope.ts';

/**
 * Seals one member's messages for a room, and opens those of the others. It knows keys and nothing of connections,
 * order or history: what a hostile server does to those, `Transcript` finds out.
 *
 * The server takes no part in it, so kinds can differ from room to room. The first is `SharedKeyCipher`. One that
 * changes who is a member (MLS, RFC 9420) has kinds of `Content` of its own to say so, and may rely on this: `open`
 * is called in the order of the room, though before earlier calls have ended.
 */
export interface RoomCipher extends AsyncDisposable {
  /** One's own Ed25519 public key. */
  readonly member: Uint8Array;

  /**
   * Seals a message.
   * @param n its number; greater than that of every `seal` before
   * @param seen how far one has read
   * @throws {RangeError} if `n` is not greater: sealing two messages with one number would give both away
   * @throws {CryptoError} what the crypto device throws
   */
  seal(n: number, content: Content, seen: ChainPosition): Promise<Uint8Array>;

  /**
   * Verifies and opens a message that claims to be number `n` of `member`; `envelope` is not kept.
   * @throws {MessageError} if it is not, or cannot be understood: it is to be dropped
   * @throws {CryptoError} if the crypto device fails, which says nothing about the message
   */
  open(member: Uint8Array, n: number, envelope: Uint8Array): Promise<OpenedMessage>;

  /** Wipes the keys. Twice is fine. */
  close(): Promise<void>;
}

export type OpenedMessage = {
  readonly content: Content;
  /** How far the sender had read. */
  readonly seen: ChainPosition;
};
