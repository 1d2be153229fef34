/** AES-CBC of the engine `ipsec-mb`: alone as OpenSSL does it, in a batch by libIPSec_MB. */
import type { Segments } from '@skytale/virtio';
import type { Direction } from '../crypto-device.ts';
import { CryptoError } from '../crypto-error.ts';
import type { EngineCipher } from '../engine.ts';
import { returnRoom, roomOfKey } from './keys.ts';
import { type KeyLength, KeySchedule, type Manager } from './libipsec-mb.ts';
import type { OpensslCipher } from './openssl-cipher.ts';

export class IpsecMbCipher implements EngineCipher {
  readonly #manager: Manager;
  readonly #alone: OpensslCipher;
  readonly #key: Uint8Array<ArrayBuffer>;
  readonly #keyLength: KeyLength;
  #schedule: KeySchedule | undefined;
  #isOpen = true;

  /** @param alone with the same key; this one's to close */
  constructor(manager: Manager, alone: OpensslCipher, key: Uint8Array) {
    this.#manager = manager;
    this.#alone = alone;
    this.#key = roomOfKey(key);
    this.#keyLength = key.length as KeyLength;
  }

  /**
   * The round keys, made when a batch first asks for them: most sessions of many short-lived ones never do.
   * @throws {CryptoError} CRYPTO_CLOSED
   */
  get schedule(): KeySchedule {
    this.assertOpen();
    this.#schedule ??= new KeySchedule(this.#manager, this.#key, this.#keyLength);
    return this.#schedule;
  }

  /** @throws {CryptoError} CRYPTO_CLOSED */
  assertOpen(): void {
    if (!this.#isOpen) throw new CryptoError('CRYPTO_CLOSED', 'the session is closed');
  }

  crypt(direction: Direction, iv: Uint8Array, source: Segments, destination: Segments): void {
    this.#alone.crypt(direction, iv, source, destination);
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#alone.close();
    this.#schedule?.close();
    returnRoom(this.#key);
  }
}
