import type { AeadSession, CryptoDevice } from '@skytale/cryptodev';
import { CryptoError } from '@skytale/cryptodev/crypto-error';
import { concat, u64, utf8 } from '../bytes.ts';
import type { RoomKeys } from '../encryption/key-schedule.ts';
import { ChatError } from './chat-error.ts';

const NONCE_BYTES = 12;
/** What is drawn for each nonce, which is made of it, of what is sealed, and of a secret. */
const RANDOM_BYTES = 32;
const TAG_BYTES = 16;
const LABEL = utf8('skytale state 1');

/** What a record is: it opens as nothing else, and nowhere else. */
export type RecordKind = 'draft' | 'message';

/**
 * Seals what is kept on disk of texts: drafts, and messages that were read and sent. So a state directory without the room's secret
 * tells no more of them than the server's data does.
 *
 * AES-256-GCM. The key is of the room and the member, for ever; kind and number are authenticated. A nonce is as good as random (NIST SP
 * 800-38D, section 8.2.2, which allows 2^32 for one key), and depends on what is sealed too: copies of a running machine, whose random
 * numbers are the same, seal different records under different nonces all the same.
 *
 * Opening a session costs a request to the device; it is done once, with the first record.
 */
export class LocalSeal {
  readonly #device: CryptoDevice;
  readonly #keys: RoomKeys;
  readonly #member: Uint8Array;
  #session: Promise<AeadSession> | undefined;

  /** @param member one's own public key */
  constructor(device: CryptoDevice, keys: RoomKeys, member: Uint8Array) {
    this.#device = device;
    this.#keys = keys;
    this.#member = member;
  }

  /** @param number of the draft, or the place of the message */
  async seal(kind: RecordKind, number: number, content: Uint8Array): Promise<Uint8Array> {
    const session = await this.#open();
    const bound = boundTo(kind, number);
    const nonce = await this.#nonce(bound, content);
    return concat(nonce, await session.encrypt(content, nonce, bound));
  }

  /** @throws {ChatError} CHAT_STATE_CORRUPT if it is not what was sealed as this */
  async open(kind: RecordKind, number: number, record: Uint8Array): Promise<Uint8Array> {
    if (record.length < NONCE_BYTES + TAG_BYTES) throw damaged(kind);
    const session = await this.#open();
    try {
      const sealed = record.subarray(NONCE_BYTES);
      return await session.decrypt(sealed, record.slice(0, NONCE_BYTES), boundTo(kind, number));
    } catch (cause) {
      if (!(cause instanceof CryptoError) || cause.code !== 'CRYPTO_AUTHENTICATION_FAILED') throw cause;
      throw damaged(kind, cause);
    }
  }

  /** Wipes the key. Twice is fine. */
  async close(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await session?.then((open) => open.close()).catch(() => {});
  }

  async #nonce(bound: Uint8Array, content: Uint8Array): Promise<Uint8Array> {
    const { crypto } = this.#keys;
    const whole = concat(bound, content);
    const hash = await crypto.sha256(whole).finally(() => whole.fill(0));
    return await this.#keys.stateNonce(this.#member, crypto.randomBytes(RANDOM_BYTES), hash);
  }

  #open(): Promise<AeadSession> {
    this.#session ??= this.#create();
    return this.#session;
  }

  async #create(): Promise<AeadSession> {
    const key = await this.#keys.stateKey(this.#member);
    try {
      return await this.#device.createSession({ aead: 'aes-gcm', key, tagLength: TAG_BYTES });
    } finally {
      key.fill(0);
    }
  }
}

function boundTo(kind: RecordKind, number: number): Uint8Array {
  return concat(LABEL, utf8(`\u0000${kind}\u0000`), u64(number));
}

function damaged(kind: RecordKind, cause?: unknown): ChatError {
  const text = `A ${kind} in the state directory is damaged. Move it away to enter the room as a new member.`;
  return new ChatError('CHAT_STATE_CORRUPT', text, { cause });
}
