import { roomIdPreimage } from '../protocol/signed.ts';
import { concat, utf8 } from './bytes.ts';
import { type Bytes, hkdf, SigningKey, sha256 } from './primitives.ts';

export const ROOM_SECRET_BYTES = 32;
export const ROOM_ID_BYTES = 16;
export const EPOCH_BYTES = 16;
/** AES-256. */
const SENDER_KEY_BYTES = 32;

const noSalt = new Uint8Array(0);
const ACCESS_LABEL = utf8('skytale access 1');
const MESSAGES_LABEL = utf8('skytale messages 1');
const VERIFY_LABEL = utf8('skytale verify 1');
const SENDER_LABEL = utf8('skytale sender 1');

/**
 * The keys of a room, all derived from its secret with HKDF (docs/protocol.md, "Keys"). Whoever has the secret
 * has them all; none tells anything of another.
 */
export class RoomKeys implements Disposable {
  /** The room's public name. It commits to the secret: another secret gives another id. */
  readonly roomId: Bytes;
  /** Proves to the server that one holds the secret. */
  readonly accessKey: SigningKey;
  readonly #messageRoot: Bytes;
  readonly #verifyKey: Bytes;

  /** @param secret 32 bytes; not kept, the caller wipes its own */
  constructor(secret: Uint8Array) {
    if (secret.length !== ROOM_SECRET_BYTES) throw new RangeError(`a room secret of ${secret.length} bytes`);
    const accessSeed = hkdf(secret, noSalt, ACCESS_LABEL, 32);
    this.accessKey = new SigningKey(accessSeed);
    accessSeed.fill(0);
    this.roomId = sha256(roomIdPreimage(this.accessKey.publicKey)).slice(0, ROOM_ID_BYTES);
    this.#messageRoot = hkdf(secret, noSalt, MESSAGES_LABEL, 32);
    this.#verifyKey = hkdf(secret, noSalt, VERIFY_LABEL, 32);
  }

  /**
   * The key of one sender for one epoch. The caller wipes it.
   * @param epoch 16 random bytes of the sender's
   * @param member the sender's public key
   */
  senderKey(epoch: Uint8Array, member: Uint8Array): Bytes {
    this.#checkOpen();
    return hkdf(this.#messageRoot, epoch, concat(SENDER_LABEL, member), SENDER_KEY_BYTES);
  }

  /** Bytes for a safety number: a function of the room and of `info` that nobody outside can compute. */
  verification(info: Uint8Array, length: number): Bytes {
    this.#checkOpen();
    return hkdf(this.#verifyKey, noSalt, info, length);
  }

  /** Wipes the keys; the room's id remains. Twice is fine. */
  [Symbol.dispose](): void {
    this.#messageRoot.fill(0);
    this.#verifyKey.fill(0);
    this.#wiped = true;
  }

  #wiped = false;

  #checkOpen(): void {
    if (this.#wiped) throw new Error('the room keys were wiped');
  }
}
