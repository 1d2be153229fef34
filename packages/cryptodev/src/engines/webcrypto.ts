/**
 * The engine `webcrypto`: `crypto.subtle`, the one thing a browser has. It does CBC, CTR, GCM and the SHA
 * family whole messages at a time; what it does not do (`supports` says no) is not built by hand here.
 */
import type { Segments } from '@skytale/virtio';
import type { AeadName, AlgorithmName, CipherName, HashName, MacName } from '../algorithms.ts';
import { hashOfMac } from '../algorithms.ts';
import type { Direction } from '../crypto-device.ts';
import { CryptoError } from '../crypto-error.ts';
import type { Engine, EngineAead, EngineCipher, EngineDigest } from '../engine.ts';
import { copyOfKey } from './keys.ts';

type Bytes = Uint8Array<ArrayBuffer>;

const hashNames: Partial<Record<HashName, string>> = {
  'sha-1': 'SHA-1',
  'sha-256': 'SHA-256',
  'sha-384': 'SHA-384',
  'sha-512': 'SHA-512',
};
const offered: ReadonlySet<AlgorithmName> = new Set<AlgorithmName>([
  'aes-cbc',
  'aes-ctr',
  'aes-gcm',
  ...(Object.keys(hashNames) as HashName[]),
  ...(Object.keys(hashNames) as HashName[]).map((hash): MacName => `hmac-${hash}`),
]);

/** Most bytes of a message that comes in parts: they are kept until its digest is asked for. */
export const maxPendingBytes = 2 ** 26;

export class WebCryptoEngine implements Engine {
  readonly name = 'webcrypto';
  readonly #subtle: SubtleCrypto;

  /** @throws {CryptoError} CRYPTO_UNAVAILABLE outside of a secure context (HTTPS or localhost) */
  constructor(subtle: SubtleCrypto | undefined = globalThis.crypto?.subtle) {
    if (subtle === undefined)
      throw new CryptoError('CRYPTO_UNAVAILABLE', 'crypto.subtle needs HTTPS or localhost');
    this.#subtle = subtle;
  }

  supports(algorithm: AlgorithmName): boolean {
    return offered.has(algorithm);
  }

  async createCipher(cipher: CipherName, key: Uint8Array): Promise<EngineCipher> {
    this.#assertSupported(cipher);
    const imported = await this.#importAes(cipher === 'aes-cbc' ? 'AES-CBC' : 'AES-CTR', key);
    return cipher === 'aes-cbc' ? new WebCbc(this.#subtle, imported) : new WebCtr(this.#subtle, imported);
  }

  async createAead(aead: AeadName, key: Uint8Array, tagLength: number): Promise<EngineAead> {
    this.#assertSupported(aead);
    return new WebGcm(this.#subtle, await this.#importAes('AES-GCM', key), tagLength);
  }

  createHash(hash: HashName): EngineDigest {
    this.#assertSupported(hash);
    const name = hashNames[hash]!;
    return new WebDigest((message) => this.#subtle.digest(name, message));
  }

  async createMac(mac: MacName, key: Uint8Array): Promise<EngineDigest> {
    this.#assertSupported(mac);
    // An empty key cannot be imported. HMAC fills short keys up with zeros (RFC 2104), so one zero is the same.
    const copy = copyOfKey(key.length === 0 ? new Uint8Array(1) : key);
    const algorithm = { name: 'HMAC', hash: hashNames[hashOfMac(mac)]! };
    const imported = await this.#subtle.importKey('raw', copy, algorithm, false, ['sign']);
    copy.fill(0);
    return new WebDigest((message) => this.#subtle.sign('HMAC', imported, message));
  }

  #assertSupported(algorithm: AlgorithmName): void {
    if (this.supports(algorithm)) return;
    throw new CryptoError('CRYPTO_UNKNOWN_ALGORITHM', `WebCrypto has no ${algorithm}`);
  }

  async #importAes(name: string, key: Uint8Array): Promise<CryptoKey> {
    const copy = copyOfKey(key);
    try {
      return await this.#subtle.importKey('raw', copy, name, false, ['encrypt', 'decrypt']);
    } catch (cause) {
      // Chromium has no AES-192.
      throw new CryptoError('CRYPTO_INVALID_KEY_LENGTH', `${name} here takes no key of ${key.length} bytes`, {
        cause,
      });
    } finally {
      copy.fill(0);
    }
  }
}

/** A key the platform holds; it cannot be wiped, only let go of. */
abstract class WebSession {
  protected readonly subtle: SubtleCrypto;
  #key: CryptoKey | undefined;

  constructor(subtle: SubtleCrypto, key: CryptoKey) {
    this.subtle = subtle;
    this.#key = key;
  }

  /** @throws {CryptoError} CRYPTO_CLOSED */
  protected get key(): CryptoKey {
    if (this.#key === undefined) throw new CryptoError('CRYPTO_CLOSED', 'the session is closed');
    return this.#key;
  }

  close(): void {
    this.#key = undefined;
  }
}

class WebCtr extends WebSession implements EngineCipher {
  async crypt(_direction: Direction, iv: Uint8Array, source: Segments, destination: Segments): Promise<void> {
    const algorithm = { name: 'AES-CTR', counter: owned(iv), length: 128 };
    const result = await this.subtle.encrypt(algorithm, this.key, source.toBytes());
    destination.copyFrom(0, destination.byteLength, new Uint8Array(result));
  }
}

/** WebCrypto's CBC always pads (PKCS #7), so the padding is cut off, and before decryption put there. */
class WebCbc extends WebSession implements EngineCipher {
  async crypt(direction: Direction, iv: Uint8Array, source: Segments, destination: Segments): Promise<void> {
    const data = source.toBytes();
    const key = this.key;
    if (data.length === 0) return;
    const result =
      direction === 'encrypt' ? await this.#encrypt(key, iv, data) : await this.#decrypt(key, iv, data);
    destination.copyFrom(0, data.length, result);
  }

  async #encrypt(key: CryptoKey, iv: Uint8Array, data: Bytes): Promise<Bytes> {
    return new Uint8Array(await this.subtle.encrypt({ name: 'AES-CBC', iv: owned(iv) }, key, data));
  }

  async #decrypt(key: CryptoKey, iv: Uint8Array, data: Bytes): Promise<Bytes> {
    // Nothing, encrypted with the last block as the IV, is the one block that continues the message as padding.
    const padding = await this.#encrypt(key, data.slice(-16), new Uint8Array(0));
    const padded = new Uint8Array(data.length + 16);
    padded.set(data);
    padded.set(padding, data.length);
    return new Uint8Array(await this.subtle.decrypt({ name: 'AES-CBC', iv: owned(iv) }, key, padded));
  }
}

class WebGcm extends WebSession implements EngineAead {
  readonly #tagLength: number;

  constructor(subtle: SubtleCrypto, key: CryptoKey, tagLength: number) {
    super(subtle, key);
    this.#tagLength = tagLength;
  }

  async seal(
    nonce: Uint8Array,
    associatedData: Segments,
    source: Segments,
    destination: Segments,
    tag: Uint8Array,
  ): Promise<void> {
    const sealed = await this.subtle.encrypt(
      this.#parameters(nonce, associatedData),
      this.key,
      source.toBytes(),
    );
    destination.copyFrom(0, destination.byteLength, new Uint8Array(sealed));
    tag.set(new Uint8Array(sealed, destination.byteLength));
  }

  async open(
    nonce: Uint8Array,
    associatedData: Segments,
    source: Segments,
    destination: Segments,
    tag: Uint8Array,
  ): Promise<boolean> {
    const sealed = new Uint8Array(source.byteLength + this.#tagLength);
    source.copyTo(0, source.byteLength, sealed);
    sealed.set(tag, source.byteLength);
    const opened = await this.#decrypt(this.#parameters(nonce, associatedData), sealed);
    if (opened === undefined) destination.fill(0);
    else destination.copyFrom(0, opened.length, opened);
    return opened !== undefined;
  }

  async #decrypt(parameters: AesGcmParams, sealed: Bytes): Promise<Bytes | undefined> {
    const key = this.key;
    try {
      return new Uint8Array(await this.subtle.decrypt(parameters, key, sealed));
    } catch (error) {
      // The specification's one answer to a tag that does not match.
      if (error instanceof DOMException && error.name === 'OperationError') return undefined;
      throw error;
    }
  }

  #parameters(nonce: Uint8Array, associatedData: Segments): AesGcmParams {
    return {
      name: 'AES-GCM',
      iv: owned(nonce),
      additionalData: associatedData.toBytes(),
      tagLength: 8 * this.#tagLength,
    };
  }
}

type Finish = (message: Bytes) => Promise<ArrayBuffer>;

/** A hash or a MAC. WebCrypto takes whole messages only, so the parts are kept, up to `maxPendingBytes`. */
class WebDigest implements EngineDigest {
  readonly #finish: Finish;
  #parts: Bytes[] = [];
  #length = 0;
  #closed = false;

  constructor(finish: Finish) {
    this.#finish = finish;
  }

  /** @throws {CryptoError} CRYPTO_INVALID_DATA_LENGTH if the message becomes longer than `maxPendingBytes` */
  update(data: Segments): void {
    this.#assertOpen();
    if (this.#length + data.byteLength > maxPendingBytes) {
      throw new CryptoError(
        'CRYPTO_INVALID_DATA_LENGTH',
        `a message of ${this.#length + data.byteLength} bytes; WebCrypto digests no more than ${maxPendingBytes} here`,
      );
    }
    this.#length += data.byteLength;
    this.#parts.push(data.toBytes());
  }

  async digest(output: Uint8Array): Promise<void> {
    this.#assertOpen();
    const message = new Uint8Array(this.#length);
    let end = 0;
    for (const part of this.#parts) {
      message.set(part, end);
      end += part.length;
    }
    this.#forget();
    output.set(new Uint8Array(await this.#finish(message)));
    message.fill(0);
  }

  reset(): void {
    this.#assertOpen();
    this.#forget();
  }

  copy(): WebDigest {
    this.#assertOpen();
    const copy = new WebDigest(this.#finish);
    copy.#parts = this.#parts.map((part) => part.slice());
    copy.#length = this.#length;
    return copy;
  }

  close(): void {
    this.#closed = true;
    this.#forget();
  }

  #assertOpen(): void {
    if (this.#closed) throw new CryptoError('CRYPTO_CLOSED', 'the session is closed');
  }

  #forget(): void {
    for (const part of this.#parts) part.fill(0);
    this.#parts = [];
    this.#length = 0;
  }
}

/** WebCrypto takes no views of shared memory, which IVs may come in. */
function owned(bytes: Uint8Array): Bytes {
  return new Uint8Array(bytes);
}
