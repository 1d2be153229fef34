/**
 * The engine `ipsec-mb`: AES-CBC by Intel's Multi-Buffer Crypto for IPsec Library, which works on many messages at a time,
 * AES-GCM by its one call for a message, everything else by OpenSSL. A block of CBC waits for the one before it, so that a
 * processor does one message at a fraction of its speed, and sixteen in nearly the time of one.
 */
import { Segments } from '@skytale/virtio';
import type { AeadName, AlgorithmName, CipherName, HashName, MacName } from '../algorithms.ts';
import { aeads, ciphers } from '../algorithms.ts';
import { CryptoError } from '../crypto-error.ts';
import type { CipherBatch, Engine, EngineAead, EngineCipher, EngineDigest } from '../engine.ts';
import { IpsecMbAead } from './ipsec-mb-aead.ts';
import { IpsecMbBatch } from './ipsec-mb-batch.ts';
import { IpsecMbCipher } from './ipsec-mb-cipher.ts';
import { Manager } from './libipsec-mb.ts';
import { OpensslEngine } from './openssl.ts';

export class IpsecMbEngine implements Engine {
  readonly name = 'ipsec-mb';
  readonly title: string;
  readonly #openssl = new OpensslEngine();
  readonly asymmetric = this.#openssl.asymmetric;
  readonly #manager: Manager;

  /** @throws {CryptoError} CRYPTO_UNAVAILABLE if there is no such library, or none that will do */
  constructor() {
    this.#manager = new Manager();
    this.title = `libIPSec_MB ${this.#manager.version}`;
    try {
      assertAgrees(this, this.#openssl);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  supports(algorithm: AlgorithmName): boolean {
    return this.#openssl.supports(algorithm);
  }

  createCipher(cipher: CipherName, key: Uint8Array): EngineCipher {
    const alone = this.#openssl.createCipher(cipher, key);
    return cipher === 'aes-cbc' ? new IpsecMbCipher(this.#manager, alone, key) : alone;
  }

  createAead(aead: AeadName, key: Uint8Array, tagLength: number): EngineAead {
    const alone = this.#openssl.createAead(aead, key, tagLength);
    return aead === 'aes-gcm' ? new IpsecMbAead(this.#manager, alone, key, tagLength) : alone;
  }

  createHash(hash: HashName): EngineDigest {
    return this.#openssl.createHash(hash);
  }

  createMac(mac: MacName, key: Uint8Array): EngineDigest {
    return this.#openssl.createMac(mac, key);
  }

  createBatch(): CipherBatch {
    return new IpsecMbBatch(this.#manager);
  }

  close(): void {
    this.#manager.close();
  }
}

/**
 * Does the same by the library and by OpenSSL: a library that is laid out in another way than its version says, or that
 * its processor leads astray, is found before anybody relies on it.
 * @throws {CryptoError} CRYPTO_UNAVAILABLE
 */
function assertAgrees(engine: IpsecMbEngine, openssl: OpensslEngine): void {
  if (doesCbcAgree(engine) && doesGcmAgree(engine, openssl)) return;
  throw new CryptoError('CRYPTO_UNAVAILABLE', `${engine.title} does not agree with OpenSSL`);
}

function doesCbcAgree(engine: IpsecMbEngine): boolean {
  const { keyLengths, blockSize } = ciphers['aes-cbc'];
  const length = 5 * blockSize;
  const iv = Uint8Array.from({ length: blockSize }, (_, i) => 3 * i);
  const data = Segments.of(Uint8Array.from({ length }, (_, i) => 7 * i));
  const batch = engine.createBatch();
  const trials = keyLengths.flatMap((keyLength) => {
    const cipher = engine.createCipher('aes-cbc', new Uint8Array(keyLength).fill(keyLength));
    return (['encrypt', 'decrypt'] as const).map((direction) => {
      const [together, alone] = [new Uint8Array(length), new Uint8Array(length)];
      return { cipher, direction, together, alone };
    });
  });
  for (const { cipher, direction, together, alone } of trials) {
    batch.add(cipher, direction, iv, data, Segments.of(together));
    cipher.crypt(direction, iv, data, Segments.of(alone));
  }
  batch.run();
  for (const { cipher } of trials) cipher.close();
  return trials.every(({ together, alone }) => isEqual(together, alone));
}

/** On data that end in the middle of a block; what both seal alike, it also opens. */
function doesGcmAgree(engine: IpsecMbEngine, openssl: OpensslEngine): boolean {
  const { keyLengths } = aeads['aes-gcm'];
  const nonce = Uint8Array.from({ length: 12 }, (_, i) => 5 * i);
  const plaintext = Uint8Array.from({ length: 16 * 20 + 9 }, (_, i) => 7 * i);
  const associatedData = Segments.of(Uint8Array.from({ length: 21 }, (_, i) => 11 * i));
  const seal = (aead: EngineAead) => {
    const [sealed, opened, tag] = [plaintext.slice(), plaintext.slice().fill(0), new Uint8Array(16)];
    void aead.seal(nonce, associatedData, Segments.of(plaintext), Segments.of(sealed), tag);
    const isOpened = aead.open(nonce, associatedData, Segments.of(sealed), Segments.of(opened), tag);
    aead.close();
    return { sealed, tag, isRight: isOpened === true && isEqual(opened, plaintext) };
  };
  return keyLengths.every((keyLength) => {
    const key = new Uint8Array(keyLength).fill(keyLength);
    const ours = seal(engine.createAead('aes-gcm', key, 16));
    const theirs = seal(openssl.createAead('aes-gcm', key, 16));
    return ours.isRight && isEqual(ours.sealed, theirs.sealed) && isEqual(ours.tag, theirs.tag);
  });
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((byte, i) => byte === b[i]);
}
