/**
 * The engine `node`: node:crypto, where there is no FFI. Each operation makes a cipher object of its own and
 * copies the result into place; OpenSSL is the same, the way to it is longer.
 */
import type { CipherGCMTypes, DecipherGCM } from 'node:crypto';
import * as crypto from 'node:crypto';
import type { Segments } from '@skytale/virtio';
import type { AeadName, AlgorithmName, CipherName, HashName, MacName } from '../algorithms.ts';
import { aeads, ciphers, hashes, hashOfMac } from '../algorithms.ts';
import type { Direction } from '../crypto-device.ts';
import { CryptoError } from '../crypto-error.ts';
import type { Engine, EngineAead, EngineCipher, EngineDigest } from '../engine.ts';
import { assertAcceptableKey, copyOfKey } from './keys.ts';
import { gathered } from './stretches.ts';

/** Node's names, by ours; `#` is the length of the key in bits. */
const cipherNames: Record<CipherName | AeadName, string> = {
  'aes-cbc': 'aes-#-cbc',
  'aes-ctr': 'aes-#-ctr',
  'aes-ecb': 'aes-#-ecb',
  'aes-xts': 'aes-#-xts',
  'aes-cfb': 'aes-#-cfb',
  'aes-ofb': 'aes-#-ofb',
  'camellia-cbc': 'camellia-#-cbc',
  '3des-cbc': 'des-ede3-cbc',
  'aes-gcm': 'aes-#-gcm',
  'aes-ccm': 'aes-#-ccm',
  'chacha20-poly1305': 'chacha20-poly1305',
};
const hashNames: Record<HashName, string> = {
  'sha-1': 'sha1',
  'sha-224': 'sha224',
  'sha-256': 'sha256',
  'sha-384': 'sha384',
  'sha-512': 'sha512',
  md5: 'md5',
  'ripemd-160': 'ripemd160',
};

function cipherName(algorithm: CipherName | AeadName, keyLength: number): string {
  // The key of XTS is two.
  const bits = algorithm === 'aes-xts' ? 4 * keyLength : 8 * keyLength;
  return cipherNames[algorithm].replace('#', String(bits));
}

export class NodeEngine implements Engine {
  readonly name = 'node';
  readonly #offered: ReadonlySet<string>;

  constructor() {
    const known = new Set([...crypto.getCiphers(), ...crypto.getHashes()].map((name) => name.toLowerCase()));
    const offered = new Set<AlgorithmName>();
    for (const [name, { keyLengths }] of [...Object.entries(ciphers), ...Object.entries(aeads)]) {
      const algorithm = name as CipherName | AeadName;
      if (keyLengths.every((length) => known.has(cipherName(algorithm, length)))) offered.add(algorithm);
    }
    for (const hash of Object.keys(hashes) as HashName[]) {
      if (known.has(hashNames[hash])) offered.add(hash).add(`hmac-${hash}`);
    }
    this.#offered = offered;
  }

  supports(algorithm: AlgorithmName): boolean {
    return this.#offered.has(algorithm);
  }

  createCipher(cipher: CipherName, key: Uint8Array): EngineCipher {
    this.#assertSupported(cipher);
    assertAcceptableKey(cipher, key);
    return new NodeCipher(cipherName(cipher, key.length), key);
  }

  createAead(aead: AeadName, key: Uint8Array, tagLength: number): EngineAead {
    this.#assertSupported(aead);
    return new NodeAead(cipherName(aead, key.length), key, tagLength);
  }

  createHash(hash: HashName): EngineDigest {
    this.#assertSupported(hash);
    return new NodeHash(hashNames[hash]);
  }

  createMac(mac: MacName, key: Uint8Array): EngineDigest {
    this.#assertSupported(mac);
    return NodeMac.create(hashOfMac(mac), key);
  }

  #assertSupported(algorithm: AlgorithmName): void {
    if (this.supports(algorithm)) return;
    throw new CryptoError('CRYPTO_UNKNOWN_ALGORITHM', `node:crypto here has no ${algorithm}`);
  }
}

/** A key until `close`. */
class Key {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  #closed = false;

  constructor(key: Uint8Array) {
    this.#bytes = copyOfKey(key);
  }

  /** @throws {CryptoError} CRYPTO_CLOSED */
  get bytes(): Uint8Array {
    if (this.#closed) throw new CryptoError('CRYPTO_CLOSED', 'the session is closed');
    return this.#bytes;
  }

  wipe(): void {
    this.#closed = true;
    this.#bytes.fill(0);
  }
}

class NodeCipher implements EngineCipher {
  readonly #name: string;
  readonly #key: Key;

  constructor(name: string, key: Uint8Array) {
    this.#name = name;
    this.#key = new Key(key);
  }

  crypt(direction: Direction, iv: Uint8Array, source: Segments, destination: Segments): void {
    const create = direction === 'encrypt' ? crypto.createCipheriv : crypto.createDecipheriv;
    const cipher = create(this.#name, this.#key.bytes, iv.length === 0 ? null : iv);
    if (source.byteLength === 0) return;
    const result = cipher.setAutoPadding(false).update(gathered(source));
    destination.copyFrom(0, result.length, result);
    result.fill(0);
  }

  close(): void {
    this.#key.wipe();
  }
}

class NodeAead implements EngineAead {
  readonly #name: CipherGCMTypes;
  readonly #key: Key;
  readonly #tagLength: number;

  constructor(name: string, key: Uint8Array, tagLength: number) {
    // The declared types part the AEADs by their names; all take GCM's calls, with CCM's option among them.
    this.#name = name as CipherGCMTypes;
    this.#key = new Key(key);
    this.#tagLength = tagLength;
  }

  seal(
    nonce: Uint8Array,
    associatedData: Segments,
    source: Segments,
    destination: Segments,
    tag: Uint8Array,
  ): void {
    const options = { authTagLength: this.#tagLength };
    const cipher = crypto.createCipheriv(this.#name, this.#key.bytes, nonce, options);
    cipher.setAAD(gathered(associatedData), { plaintextLength: source.byteLength });
    const result = cipher.update(gathered(source));
    cipher.final();
    destination.copyFrom(0, result.length, result);
    tag.set(cipher.getAuthTag());
  }

  open(
    nonce: Uint8Array,
    associatedData: Segments,
    source: Segments,
    destination: Segments,
    tag: Uint8Array,
  ): boolean {
    const options = { authTagLength: this.#tagLength };
    const cipher = crypto.createDecipheriv(this.#name, this.#key.bytes, nonce, options);
    cipher.setAuthTag(tag);
    cipher.setAAD(gathered(associatedData), { plaintextLength: source.byteLength });
    const result = cipher.update(gathered(source));
    const matches = finishes(cipher);
    if (matches) destination.copyFrom(0, result.length, result);
    else destination.fill(0);
    result.fill(0);
    return matches;
  }

  close(): void {
    this.#key.wipe();
  }
}

/** Whether the tag matched: at this point that is all that `final` can fail for. */
function finishes(cipher: DecipherGCM): boolean {
  try {
    cipher.final();
    return true;
  } catch {
    return false;
  }
}

/** A digest that can be told to take a list of segments, and that is gone after `close`. */
abstract class NodeDigest implements EngineDigest {
  #state: crypto.Hash | undefined;

  constructor(state: crypto.Hash) {
    this.#state = state;
  }

  /** @throws {CryptoError} CRYPTO_CLOSED */
  protected get state(): crypto.Hash {
    if (this.#state === undefined) throw new CryptoError('CRYPTO_CLOSED', 'the session is closed');
    return this.#state;
  }

  /** @throws {CryptoError} CRYPTO_CLOSED */
  protected restart(state: () => crypto.Hash): void {
    if (this.#state === undefined) throw new CryptoError('CRYPTO_CLOSED', 'the session is closed');
    this.#state = state();
  }

  update(data: Segments): void {
    const state = this.state;
    for (let i = 0; i < data.count; i++) {
      const offset = data.offset[i]!;
      state.update(data.memory[i]!.bytes.subarray(offset, offset + data.length[i]!));
    }
  }

  abstract digest(output: Uint8Array): void;
  abstract reset(): void;
  abstract copy(): EngineDigest;

  close(): void {
    this.#state = undefined;
  }
}

class NodeHash extends NodeDigest {
  readonly #name: string;

  constructor(name: string, state = crypto.createHash(name)) {
    super(state);
    this.#name = name;
  }

  digest(output: Uint8Array): void {
    output.set(this.state.digest());
    this.reset();
  }

  reset(): void {
    this.restart(() => crypto.createHash(this.#name));
  }

  copy(): NodeHash {
    return new NodeHash(this.#name, this.state.copy());
  }
}

/**
 * HMAC as RFC 2104 builds it from a hash: H(K ⊕ opad, H(K ⊕ ipad, text)). node:crypto's own Hmac has no
 * `copy`; here the two hash objects that have taken in the padded key are what a session keeps and copies.
 */
class NodeMac extends NodeDigest {
  readonly #inner: crypto.Hash;
  readonly #outer: crypto.Hash;

  private constructor(inner: crypto.Hash, outer: crypto.Hash, state: crypto.Hash) {
    super(state);
    this.#inner = inner;
    this.#outer = outer;
  }

  static create(hash: HashName, key: Uint8Array): NodeMac {
    const name = hashNames[hash];
    const padded = new Uint8Array(new ArrayBuffer(hashes[hash].blockSize));
    padded.set(key.length > padded.length ? crypto.createHash(name).update(key).digest() : key);
    for (let i = 0; i < padded.length; i++) padded[i]! ^= 0x36;
    const inner = crypto.createHash(name).update(padded);
    for (let i = 0; i < padded.length; i++) padded[i]! ^= 0x36 ^ 0x5c;
    const outer = crypto.createHash(name).update(padded);
    padded.fill(0);
    return new NodeMac(inner, outer, inner.copy());
  }

  digest(output: Uint8Array): void {
    output.set(this.#outer.copy().update(this.state.digest()).digest());
    this.reset();
  }

  reset(): void {
    this.restart(() => this.#inner.copy());
  }

  copy(): NodeMac {
    return new NodeMac(this.#inner, this.#outer, this.state.copy());
  }
}
