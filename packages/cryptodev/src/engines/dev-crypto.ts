/**
 * The engine `cryptodev`: a real `/dev/crypto`, which is cryptodev-linux's, or in a guest the driver of our virtual
 * device. Each cipher, AEAD or digest is a session of one open file.
 */
import { existsSync } from 'node:fs';
import type { AeadName, AlgorithmName, CipherName, HashName, MacName } from '../algorithms.ts';
import { aeads, algorithmNames, ciphers, hashes, hashOfMac } from '../algorithms.ts';
import { CryptoError } from '../crypto-error.ts';
import { numberOf } from '../cryptodev-numbers.ts';
import type { Engine, EngineAead, EngineCipher, EngineDigest } from '../engine.ts';
import { cryptodevPaths } from './cryptodev-paths.ts';
import { CryptoFile, type SessionRequest } from './dev-crypto-ffi.ts';
import { CryptoFileAead, CryptoFileCipher, CryptoFileDigest } from './dev-crypto-sessions.ts';
import { assertAcceptableKey, shortMacKey } from './keys.ts';
import { explained, isSystemError } from './system-error.ts';

export class CryptodevEngine implements Engine {
  readonly name = 'cryptodev';
  readonly title: string;
  readonly #file: CryptoFile;
  readonly #offered: ReadonlySet<AlgorithmName>;

  /**
   * @param path of the device; the first of `cryptodevPaths` that can be opened unless told
   * @throws {Error} if there is none, or it is no crypto device, or nobody answers behind it
   */
  constructor(path?: string) {
    this.#file = path === undefined ? openFirst() : new CryptoFile(path);
    this.title = this.#file.path;
    using opened = new DisposableStack();
    opened.use(this.#file);
    this.#offered = new Set(algorithmNames.filter((algorithm) => this.#tries(algorithm)));
    if (this.#offered.size === 0)
      throw new CryptoError('CRYPTO_UNAVAILABLE', `${this.title} has no algorithms`);
    opened.move();
  }

  supports(algorithm: AlgorithmName): boolean {
    return this.#offered.has(algorithm);
  }

  createCipher(cipher: CipherName, key: Uint8Array): EngineCipher {
    const number = this.#number(cipher);
    assertAcceptableKey(cipher, key);
    const session = explained(() => this.#file.createSession({ cipher: number, key }));
    return new CryptoFileCipher(this.#file, session, ciphers[cipher].ivLength);
  }

  createAead(aead: AeadName, key: Uint8Array, tagLength: number): EngineAead {
    const number = this.#number(aead);
    const session = explained(() => this.#file.createSession({ cipher: number, key }));
    return new CryptoFileAead(this.#file, session, aead, tagLength);
  }

  createHash(hash: HashName): EngineDigest {
    return CryptoFileDigest.create(this.#file, this.#number(hash), hashes[hash].digestLength);
  }

  createMac(mac: MacName, key: Uint8Array): EngineDigest {
    const number = this.#number(mac);
    const hash = hashOfMac(mac);
    const macKey = shortMacKey(hash, key, () => this.createHash(hash));
    try {
      return CryptoFileDigest.create(this.#file, number, hashes[hash].digestLength, macKey);
    } finally {
      if (macKey !== key) macKey.fill(0);
    }
  }

  /** Closes the device; its sessions end. */
  close(): void {
    this.#file[Symbol.dispose]();
  }

  #number(algorithm: AlgorithmName): number {
    if (this.supports(algorithm)) return numberOf(algorithm)!;
    throw new CryptoError('CRYPTO_UNKNOWN_ALGORITHM', `${this.title} has no ${algorithm}`);
  }

  /** Whether sessions can be had with keys of all lengths. */
  #tries(algorithm: AlgorithmName): boolean {
    const number = numberOf(algorithm);
    if (number === undefined) return false;
    try {
      for (const session of trialSessions(algorithm, number)) {
        this.#file.endSession(this.#file.createSession(session));
      }
      return true;
    } catch (error) {
      if (isSystemError(error, 'EINVAL') || isSystemError(error, 'ENOENT')) return false;
      throw new CryptoError('CRYPTO_UNAVAILABLE', `${this.title}: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }
}

function trialSessions(algorithm: AlgorithmName, number: number): SessionRequest[] {
  if (Object.hasOwn(hashes, algorithm)) return [{ mac: number }];
  if (algorithm.startsWith('hmac-')) return [{ mac: number, macKey: trialKey(20) }];
  const { keyLengths } = { ...ciphers, ...aeads }[algorithm as CipherName | AeadName];
  return keyLengths.map((length) => ({ cipher: number, key: trialKey(length) }));
}

/** A key that no cipher finds weak. */
function trialKey(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => 3 * i + 1);
}

/** The first that is there: one that is and does not work is not passed over in silence. */
function openFirst(): CryptoFile {
  const path = cryptodevPaths.find((candidate) => existsSync(candidate));
  if (path !== undefined) return new CryptoFile(path);
  throw new CryptoError(
    'CRYPTO_UNAVAILABLE',
    `no ${cryptodevPaths.join(' or ')}: load the module cryptodev or virtio_cryptodev`,
  );
}
