import type { AeadSession, CryptoDevice } from '@skytale/cryptodev';
import { CryptoError } from '@skytale/cryptodev/crypto-error';
import { toHex } from '../bytes.ts';
import { TAG_BYTES } from './envelope.ts';
import type { RoomKeys } from './key-schedule.ts';

/**
 * The crypto device's sessions for the senders' keys: one for each sender and epoch that was heard of lately. The one
 * used longest ago is closed, and its key so wiped, when there are more than `limit`.
 */
export class SenderSessions implements AsyncDisposable {
  readonly #device: CryptoDevice;
  readonly #keys: RoomKeys;
  readonly #limit: number;
  /** In the order of use, the latest last. */
  readonly #sessions = new Map<string, Promise<AeadSession>>();
  #closed = false;

  constructor(device: CryptoDevice, keys: RoomKeys, limit: number) {
    this.#device = device;
    this.#keys = keys;
    this.#limit = limit;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /**
   * Runs `operation` on the session of a sender's epoch. An eviction waits for operations that were called before it
   * (`AeadSession.close` does), so `operation` must call its session at once.
   */
  async use<T>(
    member: Uint8Array,
    epoch: Uint8Array,
    operation: (session: AeadSession) => Promise<T>,
  ): Promise<T> {
    if (this.#closed) throw new CryptoError('CRYPTO_CLOSED', 'the room cipher is closed');
    const name = nameOf(member, epoch);
    const session = this.#sessions.get(name) ?? this.#create(member, epoch);
    this.#sessions.delete(name);
    this.#sessions.set(name, session);
    const result = session.then(operation);
    session.catch(() => this.#forget(name, session));
    this.#evict();
    return result;
  }

  /** Closes the session of an epoch that is over. Who needs it again, to read what was sealed in it, makes it anew. */
  async end(member: Uint8Array, epoch: Uint8Array): Promise<void> {
    const name = nameOf(member, epoch);
    const session = this.#sessions.get(name);
    this.#sessions.delete(name);
    if (session !== undefined) await closeQuietly(session);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    const sessions = [...this.#sessions.values()];
    this.#sessions.clear();
    await Promise.all(sessions.map(closeQuietly));
  }

  async #create(member: Uint8Array, epoch: Uint8Array): Promise<AeadSession> {
    const key = await this.#keys.senderKey(epoch, member);
    try {
      return await this.#device.createSession({ aead: 'aes-gcm', key, tagLength: TAG_BYTES });
    } finally {
      key.fill(0);
    }
  }

  /** A session that could not be created is tried again by the next who needs it. */
  #forget(name: string, session: Promise<AeadSession>): void {
    if (this.#sessions.get(name) === session) this.#sessions.delete(name);
  }

  #evict(): void {
    for (const [name, session] of this.#sessions) {
      if (this.#sessions.size <= this.#limit) return;
      this.#sessions.delete(name);
      void closeQuietly(session);
    }
  }
}

function nameOf(member: Uint8Array, epoch: Uint8Array): string {
  return toHex(member) + toHex(epoch);
}

/** The key is gone either way: a device that fails to close a session has lost it. */
async function closeQuietly(session: Promise<AeadSession>): Promise<void> {
  try {
    await (await session).close();
  } catch {}
}
