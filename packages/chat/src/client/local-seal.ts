import type { AeadSession, CryptoDevice } from '@skytale/cryptodev';
import { CryptoError } from '@skytale/cryptodev/crypto-error';
import { concat, u64, utf8 } from '../bytes.ts';
import type { ChatCrypto } from '../crypto.ts';
import { ChatError } from './chat-error.ts';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const LABEL = utf8('skytale state 1');

/** What a record is: it opens as nothing else, and nowhere else. */
export type RecordKind = 'draft' | 'message';

/**
 * Seals what is kept on disk of texts: drafts, and messages that were not confirmed. So a state directory without the room's secret
 * tells no more of them than the server's data does.
 *
 * AES-256-GCM with random nonces (NIST SP 800-38D, section 8.2.2, which allows 2^32 for one key). The key is of the room and the
 * member; kind and number are authenticated.
 *
 * Opening a session costs a request to the device; it is done once, with the first record.
 */
export class LocalSeal {
  readonly #device: CryptoDevice;
  readonly #crypto: ChatCrypto;
  readonly #key: () => Promise<Uint8Array>;
  #session: Promise<AeadSession> | undefined;

  /** @param key gives the key, 32 bytes, which is wiped */
  constructor(device: CryptoDevice, crypto: ChatCrypto, key: () => Promise<Uint8Array>) {
    this.#device = device;
    this.#crypto = crypto;
    this.#key = key;
  }

  /** @param number of the draft, or the place of the message */
  async seal(kind: RecordKind, number: number, content: Uint8Array): Promise<Uint8Array> {
    const session = await this.#open();
    const nonce = this.#crypto.randomBytes(NONCE_BYTES);
    return concat(nonce, await session.encrypt(content, nonce, boundTo(kind, number)));
  }

  /** @throws {ChatError} CHAT_STATE_CORRUPT if it is not what was sealed as this */
  async open(kind: RecordKind, number: number, record: Uint8Array): Promise<Uint8Array> {
    const session = await this.#open();
    try {
      const sealed = record.subarray(NONCE_BYTES);
      return await session.decrypt(sealed, record.slice(0, NONCE_BYTES), boundTo(kind, number));
    } catch (cause) {
      if (!(cause instanceof CryptoError) || cause.code !== 'CRYPTO_AUTHENTICATION_FAILED') throw cause;
      const text = `A ${kind} in the state directory is damaged. Move it away to enter the room as a new member.`;
      throw new ChatError('CHAT_STATE_CORRUPT', text, { cause });
    }
  }

  /** Wipes the key. Twice is fine. */
  async close(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await session?.then((open) => open.close()).catch(() => {});
  }

  #open(): Promise<AeadSession> {
    this.#session ??= this.#create();
    return this.#session;
  }

  async #create(): Promise<AeadSession> {
    const key = await this.#key();
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
