import { type CryptoDevice, CryptoError } from '@skytale/cryptodev';
import { concat, toHex, u64 } from './bytes.ts';
import { type Content, decodeContent, encodeContent } from './content.ts';
import {
  associatedData,
  type ChainPosition,
  type Envelope,
  encodeHeader,
  parseEnvelope,
} from './envelope.ts';
import type { Identity } from './identity.ts';
import { EPOCH_BYTES, type RoomKeys } from './key-schedule.ts';
import { MessageError } from './message-error.ts';
import { pad, unpad } from './padding.ts';
import { randomBytes, VerifyingKey } from './primitives.ts';
import type { OpenedMessage, RoomCipher } from './room-cipher.ts';
import { SenderSessions } from './sender-sessions.ts';

/** Of sessions with the crypto device, and of public keys made ready. */
const CACHED_SENDERS = 64;

/**
 * The room cipher in which everybody who has the room's secret is a member.
 *
 * Every object draws a random epoch, and with it a fresh key that only it encrypts with (the others derive the same
 * one, and only decrypt). The nonce is the message's number. So no nonce repeats under a key as long as one object
 * uses no number twice, which `seal` enforces; a state directory that was restored or copied cannot change that.
 */
export class SharedKeyCipher implements RoomCipher {
  readonly member: Uint8Array;
  readonly #keys: RoomKeys;
  readonly #identity: Identity;
  readonly #epoch = randomBytes(EPOCH_BYTES);
  readonly #sessions: SenderSessions;
  readonly #verifiers = new Map<string, VerifyingKey>();
  #lastSealed = 0;

  /** The device and the keys remain the caller's; they outlive the cipher. */
  constructor(keys: RoomKeys, identity: Identity, device: CryptoDevice) {
    this.member = identity.key.publicKey;
    this.#keys = keys;
    this.#identity = identity;
    this.#sessions = new SenderSessions(device, keys, CACHED_SENDERS);
  }

  async seal(n: number, content: Content, seen: ChainPosition): Promise<Uint8Array> {
    if (!Number.isSafeInteger(n) || n <= this.#lastSealed) {
      throw new RangeError(`message ${n} cannot be sealed: ${this.#lastSealed} was the last`);
    }
    this.#lastSealed = n;
    const header = encodeHeader({ epoch: this.#epoch, seen });
    const bound = associatedData(this.#keys.roomId, this.member, n, header);
    const plaintext = pad(encodeContent(content));
    const ciphertext = await this.#sessions
      .use(this.member, this.#epoch, (session) => session.encrypt(plaintext, nonce(n), bound))
      .finally(() => plaintext.fill(0));
    return concat(header, ciphertext, this.#identity.key.sign(concat(bound, ciphertext)));
  }

  async open(member: Uint8Array, n: number, envelope: Uint8Array): Promise<OpenedMessage> {
    const parts = parseEnvelope(envelope);
    const bound = associatedData(this.#keys.roomId, member, n, parts.header);
    // The signature first: what was damaged on the way costs no session of the device.
    const genuine = await this.#verifier(member).verify(concat(bound, parts.ciphertext), parts.signature);
    if (!genuine) throw new MessageError('FORGED', 'its signature is not its sender’s');
    const plaintext = await this.#decrypt(member, n, parts, bound);
    try {
      const content = unpad(plaintext);
      if (content === undefined) throw new MessageError('MALFORMED_CONTENT', 'its padding is wrong');
      return { content: decodeContent(content), seen: parts.seen };
    } finally {
      plaintext.fill(0);
    }
  }

  async close(): Promise<void> {
    await this.#sessions[Symbol.asyncDispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #decrypt(member: Uint8Array, n: number, parts: Envelope, bound: Uint8Array): Promise<Uint8Array> {
    try {
      return await this.#sessions.use(member, parts.epoch, (session) =>
        session.decrypt(parts.ciphertext, nonce(n), bound),
      );
    } catch (error) {
      if (!(error instanceof CryptoError) || error.code !== 'CRYPTO_AUTHENTICATION_FAILED') throw error;
      throw new MessageError('TAMPERED', 'its sender does not hold the room’s secret', { cause: error });
    }
  }

  #verifier(member: Uint8Array): VerifyingKey {
    const id = toHex(member);
    let verifier = this.#verifiers.get(id);
    if (verifier === undefined) {
      if (this.#verifiers.size >= CACHED_SENDERS) this.#verifiers.clear();
      verifier = new VerifyingKey(member);
      this.#verifiers.set(id, verifier);
    }
    return verifier;
  }
}

/** 96 bits (NIST SP 800-38D section 8.2.1): no fixed field, the number as invocation field. */
function nonce(n: number): Uint8Array {
  return concat(new Uint8Array(4), u64(n));
}
