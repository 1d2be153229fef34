/** The engine `af-alg`: the ciphers, AEADs and hashes of a stock Linux kernel. */
import type { AeadName, AlgorithmName, CipherName, HashName, MacName } from '../algorithms.ts';
import { aeads, algorithmNames, ciphers, hashes, hashOfMac } from '../algorithms.ts';
import { CryptoError } from '../crypto-error.ts';
import type { Engine, EngineAead, EngineCipher, EngineDigest } from '../engine.ts';
import { AlgTransform, type AlgType } from './af-alg-ffi.ts';
import { AlgAead, AlgCipher, AlgDigest } from './af-alg-sessions.ts';
import { assertAcceptableKey, shortMacKey } from './keys.ts';
import { explained, isSystemError } from './system-error.ts';

/** The kernel's names, as in /proc/crypto. */
const cipherNames: Record<CipherName | AeadName, string> = {
  'aes-cbc': 'cbc(aes)',
  'aes-ctr': 'ctr(aes)',
  'aes-ecb': 'ecb(aes)',
  'aes-xts': 'xts(aes)',
  'aes-cfb': 'cfb(aes)',
  'aes-ofb': 'ofb(aes)',
  'camellia-cbc': 'cbc(camellia)',
  '3des-cbc': 'cbc(des3_ede)',
  'aes-gcm': 'gcm(aes)',
  'aes-ccm': 'ccm(aes)',
  'chacha20-poly1305': 'rfc7539(chacha20,poly1305)',
};
const hashNames: Record<HashName, string> = {
  'sha-1': 'sha1',
  'sha-224': 'sha224',
  'sha-256': 'sha256',
  'sha-384': 'sha384',
  'sha-512': 'sha512',
  md5: 'md5',
  'ripemd-160': 'rmd160',
};

export class AfAlgEngine implements Engine {
  readonly name = 'af-alg';
  readonly #offered: ReadonlySet<AlgorithmName>;

  /** @throws {Error} if the kernel has no AF_ALG, or nothing behind it */
  constructor() {
    this.#offered = new Set(algorithmNames.filter(isOffered));
    if (this.#offered.size > 0) return;
    throw new CryptoError(
      'CRYPTO_UNAVAILABLE',
      'AF_ALG has none of the algorithms here; openssl has them all, in this process',
    );
  }

  supports(algorithm: AlgorithmName): boolean {
    return this.#offered.has(algorithm);
  }

  createCipher(cipher: CipherName, key: Uint8Array): EngineCipher {
    this.#assertSupported(cipher);
    assertAcceptableKey(cipher, key);
    return new AlgCipher(cipher, keyed(cipher, key));
  }

  createAead(aead: AeadName, key: Uint8Array, tagLength: number): EngineAead {
    this.#assertSupported(aead);
    return new AlgAead(aead, keyed(aead, key, tagLength), tagLength);
  }

  createHash(hash: HashName): EngineDigest {
    this.#assertSupported(hash);
    return digestOf(hash, hash);
  }

  createMac(mac: MacName, key: Uint8Array): EngineDigest {
    this.#assertSupported(mac);
    const hash = hashOfMac(mac);
    const macKey = shortMacKey(hash, key, () => this.createHash(hash));
    try {
      return digestOf(mac, hash, macKey);
    } finally {
      if (macKey !== key) macKey.fill(0);
    }
  }

  #assertSupported(algorithm: AlgorithmName): void {
    if (this.supports(algorithm)) return;
    throw new CryptoError('CRYPTO_UNKNOWN_ALGORITHM', `AF_ALG here has no ${algorithm}`);
  }
}

function transformOf(algorithm: AlgorithmName): AlgTransform {
  const [type, name] = namesOf(algorithm);
  return new AlgTransform(type, name);
}

function namesOf(algorithm: AlgorithmName): [AlgType, string] {
  if (Object.hasOwn(ciphers, algorithm)) return ['skcipher', cipherNames[algorithm as CipherName]];
  if (Object.hasOwn(aeads, algorithm)) return ['aead', cipherNames[algorithm as AeadName]];
  if (Object.hasOwn(hashes, algorithm)) return ['hash', hashNames[algorithm as HashName]];
  return ['hash', `hmac(${hashNames[hashOfMac(algorithm as MacName)]})`];
}

function keyed(algorithm: AlgorithmName, key: Uint8Array, tagLength?: number): AlgTransform {
  return explained(() => {
    using stack = new DisposableStack();
    const transform = stack.use(transformOf(algorithm));
    transform.setKey(key);
    if (tagLength !== undefined) transform.setTagLength(tagLength);
    stack.move();
    return transform;
  });
}

/** The operation keeps the transform, and its key, for as long as it needs them. */
function digestOf(algorithm: AlgorithmName, hash: HashName, key?: Uint8Array): AlgDigest {
  return explained(() => {
    using transform = transformOf(algorithm);
    if (key !== undefined) transform.setKey(key);
    return new AlgDigest(transform.operation(), hashes[hash].digestLength);
  });
}

/** @throws {SystemError} EAFNOSUPPORT */
function isOffered(algorithm: AlgorithmName): boolean {
  try {
    transformOf(algorithm)[Symbol.dispose]();
    return true;
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return false;
    throw error;
  }
}
