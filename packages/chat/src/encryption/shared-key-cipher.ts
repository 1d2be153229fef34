import type { CryptoDevice } from '@skytale/cryptodev';
import { CryptoError } from '@skytale/cryptodev/crypto-error';
import { type Bytes, concat, copyOf, u64, utf8 } from '../bytes.ts';
import { type Content, decodeContent, encodeContent } from './content.ts';
import {
  bind,
  type ChainPosition,
  ENVELOPE_VERSION,
  type Envelope,
  encodeHeader,
  parseEnvelope,
  splitEnvelope,
} from './envelope.ts';
import type { Identity } from './identity.ts';
import { EPOCH_BYTES, type RoomKeys } from './key-schedule.ts';
import { MessageError } from './message-error.ts';
import { pad, unpad } from './padding.ts';
import type { OpenedMessage, RoomCipher, SealedMessage } from './room-cipher.ts';
import { SenderSessions } from './sender-sessions.ts';

/** Of sessions with the crypto device. */
const CACHED_SENDERS = 64;

const EPOCH_LABEL = utf8('skytale epoch 1');

/**
 * The room cipher in which everybody who has the room's secret is a member.
 *
 * An epoch is random, and with it comes a fresh key that only this object encrypts with (the others derive the same
 * one, and only decrypt). The nonce is the message's number. So no nonce repeats under a key as long as one object
 * uses no number twice in an epoch, which `seal` enforces; a state directory that was restored or copied cannot change that.
 *
 * What can is a copy of the running process: two of it have the same epoch, and even the same random numbers to come. So `renew`
 * mixes in what only one of them has, the challenge of its connection.
 */
export class SharedKeyCipher implements RoomCipher {
  readonly member: Uint8Array;
  readonly opensAgain = true;
  readonly #keys: RoomKeys;
  readonly #identity: Identity;
  readonly #sessions: SenderSessions;
  #epoch: Bytes;
  /** In this epoch. */
  #lastSealed = 0;

  /** The device, the keys and the identity remain the caller's; they outlive the cipher. */
  constructor(keys: RoomKeys, identity: Identity, device: CryptoDevice) {
    this.member = identity.key.publicKey;
    this.#keys = keys;
    this.#identity = identity;
    this.#sessions = new SenderSessions(device, keys, CACHED_SENDERS);
    this.#epoch = keys.crypto.randomBytes(EPOCH_BYTES);
  }

  async seal(n: number, content: Content, seen: ChainPosition): Promise<SealedMessage> {
    if (!Number.isSafeInteger(n) || n <= this.#lastSealed) {
      throw new RangeError(`message ${n} cannot be sealed: ${this.#lastSealed} was the last`);
    }
    this.#lastSealed = n;
    const epoch = this.#epoch;
    const header = encodeHeader({ epoch, seen });
    const bound = bind(this.#keys.roomId, this.member, n, header);
    const encoded = encodeContent(content);
    const plaintext = pad(encoded);
    encoded.fill(0);
    const ciphertext = await this.#sessions
      .use(this.member, epoch, (session) => session.encrypt(plaintext, nonce(n), bound))
      .finally(() => plaintext.fill(0));
    const signature = await this.#identity.key.sign(concat(bound, ciphertext));
    return { envelope: concat(header, ciphertext, signature), change: undefined };
  }

  async open(member: Uint8Array, n: number, envelope: Uint8Array): Promise<OpenedMessage> {
    const whole = splitEnvelope(envelope);
    const parts = whole.version === ENVELOPE_VERSION ? parseEnvelope(whole) : undefined;
    // The signature first: what was damaged on the way costs no session of the device, and is not taken for a later version.
    const { crypto, roomId } = this.#keys;
    const genuine = await crypto.verify(member, bind(roomId, member, n, whole.signed), whole.signature);
    if (!genuine) throw new MessageError('FORGED', 'its signature is not its sender’s');
    if (parts === undefined) {
      const text = `it is sealed in version ${whole.version}, which needs a newer skytale`;
      throw new MessageError('UNSUPPORTED_VERSION', text);
    }
    const plaintext = await this.#decrypt(member, n, parts);
    try {
      const content = unpad(plaintext);
      if (content === undefined) throw new MessageError('MALFORMED_CONTENT', 'its padding is wrong');
      const seen = { seq: parts.seen.seq, hash: copyOf(parts.seen.hash) };
      return { content: decodeContent(content), seen, change: undefined };
    } finally {
      plaintext.fill(0);
    }
  }

  async renew(unique: Uint8Array): Promise<void> {
    const { crypto } = this.#keys;
    const hash = await crypto.sha256(concat(EPOCH_LABEL, crypto.randomBytes(32), unique));
    const before = this.#epoch;
    this.#epoch = hash.slice(0, EPOCH_BYTES);
    this.#lastSealed = 0;
    await this.#sessions.end(this.member, before);
  }

  async close(): Promise<void> {
    await this.#sessions[Symbol.asyncDispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #decrypt(member: Uint8Array, n: number, parts: Envelope): Promise<Uint8Array> {
    const bound = bind(this.#keys.roomId, member, n, parts.header);
    try {
      return await this.#sessions.use(member, parts.epoch, (session) =>
        session.decrypt(parts.ciphertext, nonce(n), bound),
      );
    } catch (error) {
      if (!(error instanceof CryptoError) || error.code !== 'CRYPTO_AUTHENTICATION_FAILED') throw error;
      throw new MessageError('TAMPERED', 'its sender does not hold the room’s secret', { cause: error });
    }
  }
}

/** 96 bits (NIST SP 800-38D section 8.2.1): no fixed field, the number as invocation field. */
function nonce(n: number): Uint8Array {
  return concat(new Uint8Array(4), u64(n));
}
