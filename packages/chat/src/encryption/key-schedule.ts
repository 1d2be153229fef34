import { type Bytes, concat, utf8 } from '../bytes.ts';
import type { ChatCrypto, SigningKey } from '../crypto.ts';
import { roomIdPreimage } from '../protocol/signed.ts';
import { type RoomAccess, SharedKeyAccess } from './room-access.ts';

export const ROOM_SECRET_BYTES = 32;
export const ROOM_ID_BYTES = 16;
export const EPOCH_BYTES = 16;
/** AES-256. */
const SENDER_KEY_BYTES = 32;
const STATE_KEY_BYTES = 32;
/** Of AES-GCM. */
const STATE_NONCE_BYTES = 12;

const noSalt = new Uint8Array(0);
const ACCESS_LABEL = utf8('skytale access 1');
const MESSAGES_LABEL = utf8('skytale messages 1');
const VERIFY_LABEL = utf8('skytale verify 1');
const SENDER_LABEL = utf8('skytale sender 1');
const STATE_LABEL = utf8('skytale state 1');
const STATE_NONCE_LABEL = utf8('skytale state nonce 1');

/**
 * The keys of a room, all derived from its secret with HKDF (docs/protocol.md, "Keys"). Whoever has the secret
 * has them all; none tells anything of another.
 */
export class RoomKeys implements Disposable {
  /** What they were made with, and are used with. */
  readonly crypto: ChatCrypto;
  /** The room's public name. It commits to the secret: another secret gives another id. */
  readonly roomId: Bytes;
  /** Proves to the server that one holds the secret. */
  readonly accessKey: SigningKey;
  /** The same, as the client uses it. */
  readonly access: RoomAccess;
  readonly #messageRoot: Bytes;
  readonly #verifyKey: Bytes;
  #wiped = false;

  /** @param secret 32 bytes; not kept, the caller wipes its own once the promise has ended */
  static async derive(crypto: ChatCrypto, secret: Uint8Array): Promise<RoomKeys> {
    if (secret.length !== ROOM_SECRET_BYTES) throw new RangeError(`a room secret of ${secret.length} bytes`);
    const [accessSeed, messageRoot, verifyKey] = await Promise.all([
      crypto.hkdf(secret, noSalt, ACCESS_LABEL, 32),
      crypto.hkdf(secret, noSalt, MESSAGES_LABEL, 32),
      crypto.hkdf(secret, noSalt, VERIFY_LABEL, 32),
    ]);
    const accessKey = await crypto.signingKey(accessSeed).finally(() => accessSeed.fill(0));
    const hash = await crypto.sha256(roomIdPreimage(accessKey.publicKey));
    return new RoomKeys(crypto, hash.slice(0, ROOM_ID_BYTES), accessKey, messageRoot, verifyKey);
  }

  private constructor(
    crypto: ChatCrypto,
    roomId: Bytes,
    accessKey: SigningKey,
    messageRoot: Bytes,
    verifyKey: Bytes,
  ) {
    this.crypto = crypto;
    this.roomId = roomId;
    this.accessKey = accessKey;
    this.access = new SharedKeyAccess(roomId, accessKey);
    this.#messageRoot = messageRoot;
    this.#verifyKey = verifyKey;
  }

  /**
   * The key of one sender for one epoch. The caller wipes it.
   * @param epoch 16 random bytes of the sender's
   * @param member the sender's public key
   * @throws {Error} if the keys were wiped
   */
  async senderKey(epoch: Uint8Array, member: Uint8Array): Promise<Bytes> {
    return this.#derive(this.#messageRoot, epoch, concat(SENDER_LABEL, member), SENDER_KEY_BYTES);
  }

  /**
   * The key under which a member's state keeps texts on disk. The caller wipes it.
   * @param member one's own public key
   * @throws {Error} if the keys were wiped
   */
  async stateKey(member: Uint8Array): Promise<Bytes> {
    return this.#derive(this.#messageRoot, noSalt, concat(STATE_LABEL, member), STATE_KEY_BYTES);
  }

  /**
   * A nonce for a record of a member's state: a function of random bytes and of all that is sealed under it, so that two records have
   * two, though the random bytes be the same.
   * @param member one's own public key
   * @param record SHA-256 of what the record is and of its content
   * @throws {Error} if the keys were wiped
   */
  async stateNonce(member: Uint8Array, random: Uint8Array, record: Uint8Array): Promise<Bytes> {
    const info = concat(STATE_NONCE_LABEL, member, record);
    return this.#derive(this.#messageRoot, random, info, STATE_NONCE_BYTES);
  }

  /**
   * Bytes for a safety number: a function of the room and of `info` that nobody outside can compute.
   * @throws {Error} if the keys were wiped
   */
  async verification(info: Uint8Array, length: number): Promise<Bytes> {
    return this.#derive(this.#verifyKey, noSalt, info, length);
  }

  /** Wipes the keys, the access key too; the room's id remains, and what is public of the access key. Twice is fine. */
  [Symbol.dispose](): void {
    this.accessKey[Symbol.dispose]();
    this.#messageRoot.fill(0);
    this.#verifyKey.fill(0);
    this.#wiped = true;
  }

  /** Gives nothing that was under way when the keys were wiped. */
  async #derive(key: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Promise<Bytes> {
    this.#checkOpen();
    const derived = await this.crypto.hkdf(key, salt, info, length);
    if (this.#wiped) derived.fill(0);
    this.#checkOpen();
    return derived;
  }

  #checkOpen(): void {
    if (this.#wiped) throw new Error('the room keys were wiped');
  }
}
