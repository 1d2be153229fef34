/**
 * The engine `openssl`: Node's own OpenSSL, called by FFI straight on the memory the segments lie in. A
 * session keeps its contexts, so a key is scheduled once and an operation sets only the IV.
 */
import type { AeadName, AlgorithmName, CipherName, HashName, MacName } from '../algorithms.ts';
import { hashes, hashOfMac } from '../algorithms.ts';
import { CryptoError } from '../crypto-error.ts';
import type { Engine, EngineAead, EngineDigest } from '../engine.ts';
import { assertAcceptableKey } from './keys.ts';
import { fetched } from './libcrypto.ts';
import { OpensslAead } from './openssl-aead.ts';
import { OpensslCipher } from './openssl-cipher.ts';
import { OpensslHash, OpensslMac } from './openssl-digest.ts';
import { OpensslAsymmetric } from './openssl-key.ts';

/** OpenSSL's names for ciphers (openssl-ciphers(7)), by ours and the length of the key in bytes. */
function cipherNames(family: string, mode: string): Record<number, string> {
  return { 16: `${family}-128-${mode}`, 24: `${family}-192-${mode}`, 32: `${family}-256-${mode}` };
}
const names: Record<CipherName | AeadName, Record<number, string>> = {
  'aes-cbc': cipherNames('AES', 'CBC'),
  'aes-ctr': cipherNames('AES', 'CTR'),
  'aes-ecb': cipherNames('AES', 'ECB'),
  'aes-xts': { 32: 'AES-128-XTS', 64: 'AES-256-XTS' },
  'aes-cfb': cipherNames('AES', 'CFB'),
  'aes-ofb': cipherNames('AES', 'OFB'),
  'camellia-cbc': cipherNames('CAMELLIA', 'CBC'),
  '3des-cbc': { 24: 'DES-EDE3-CBC' },
  'aes-gcm': cipherNames('AES', 'GCM'),
  'aes-ccm': cipherNames('AES', 'CCM'),
  'chacha20-poly1305': { 32: 'ChaCha20-Poly1305' },
};
const digestNames: Record<HashName, string> = {
  'sha-1': 'SHA1',
  'sha-224': 'SHA2-224',
  'sha-256': 'SHA2-256',
  'sha-384': 'SHA2-384',
  'sha-512': 'SHA2-512',
  md5: 'MD5',
  'ripemd-160': 'RIPEMD-160',
};

/** Whether OpenSSL has it, with keys of all lengths. */
function isFetchable(algorithm: AlgorithmName): boolean {
  if (Object.hasOwn(names, algorithm)) {
    const ofLengths = names[algorithm as CipherName | AeadName];
    return Object.values(ofLengths).every((name) => fetched('cipher', name) !== 0);
  }
  const hash = algorithm.startsWith('hmac-') ? hashOfMac(algorithm as MacName) : (algorithm as HashName);
  return Object.hasOwn(digestNames, hash) && fetched('digest', digestNames[hash]) !== 0;
}

export class OpensslEngine implements Engine {
  readonly name = 'openssl';
  readonly asymmetric = new OpensslAsymmetric();
  /** What was found: a session may be asked for hundreds of thousands of times a second. */
  readonly #found = new Set<AlgorithmName>();

  supports(algorithm: AlgorithmName): boolean {
    if (this.#found.has(algorithm)) return true;
    if (!isFetchable(algorithm)) return false;
    this.#found.add(algorithm);
    return true;
  }

  createCipher(cipher: CipherName, key: Uint8Array): OpensslCipher {
    this.#assertSupported(cipher);
    assertAcceptableKey(cipher, key);
    return new OpensslCipher(cipher, fetched('cipher', names[cipher][key.length]!), key);
  }

  createAead(aead: AeadName, key: Uint8Array, tagLength: number): EngineAead {
    this.#assertSupported(aead);
    return new OpensslAead(aead, fetched('cipher', names[aead][key.length]!), key, tagLength);
  }

  createHash(hash: HashName): EngineDigest {
    this.#assertSupported(hash);
    return new OpensslHash(fetched('digest', digestNames[hash]), hashes[hash].digestLength);
  }

  createMac(mac: MacName, key: Uint8Array): EngineDigest {
    this.#assertSupported(mac);
    return OpensslMac.create(digestNames[hashOfMac(mac)], key);
  }

  #assertSupported(algorithm: AlgorithmName): void {
    if (this.supports(algorithm)) return;
    throw new CryptoError('CRYPTO_UNKNOWN_ALGORITHM', `OpenSSL here has no ${algorithm}`);
  }
}
