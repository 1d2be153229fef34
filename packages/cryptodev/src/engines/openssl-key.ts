/** RSA and ECDSA on OpenSSL. */
import type {
  AsymmetricEngine,
  AsymmetricKeyOptions,
  AsymmetricName,
  CurveName,
  EcdsaKeyOptions,
  EngineKey,
  RsaHash,
  RsaKeyOptions,
} from '../asymmetric.ts';
import { CryptoError } from '../crypto-error.ts';
import { parseEcPrivateKey, parseRsaPrivateKey, parseRsaPublicKey } from './asn1.ts';
import type { NativeContext } from './libcrypto.ts';
import {
  isPkeySound,
  type ParamValue,
  pkeyFromData,
  pkeySize,
  pkeyTransform,
  pkeyVerify,
  rsaPadding,
  type Settings,
  type Transformation,
} from './libcrypto-pkey.ts';

/** Of the modulus, in bits. The shortest is that of Linux's self-tests; it protects nothing. */
const minModulusBits = 512;
/** One operation with the longest takes milliseconds, and no more. */
const maxModulusBits = 8192;
/** The longest public exponent, in bits: OpenSSL's own limit for long keys, here for all. */
const maxExponentBits = 64;

const digestNames: Record<Exclude<RsaHash, 'none'>, string> = {
  md5: 'MD5',
  'sha-1': 'SHA1',
  'sha-224': 'SHA2-224',
  'sha-256': 'SHA2-256',
  'sha-384': 'SHA2-384',
  'sha-512': 'SHA2-512',
};

/** Names of groups (EC_KEY(7)). */
const groupNames: Record<CurveName, string> = {
  'p-192': 'prime192v1',
  'p-224': 'secp224r1',
  'p-256': 'prime256v1',
  'p-384': 'secp384r1',
  'p-521': 'secp521r1',
};
const crtNames = [
  'rsa-factor1',
  'rsa-factor2',
  'rsa-exponent1',
  'rsa-exponent2',
  'rsa-coefficient1',
] as const;

export class OpensslAsymmetric implements AsymmetricEngine {
  supports(algorithm: AsymmetricName): boolean {
    return algorithm === 'rsa' || algorithm === 'ecdsa';
  }

  createKey(options: AsymmetricKeyOptions): EngineKey {
    return options.algorithm === 'rsa' ? rsaKey(options) : ecdsaKey(options);
  }
}

function rsaKey({ type, key, padding, hash = 'none' }: RsaKeyOptions): EngineKey {
  const {
    modulus,
    publicExponent,
    privateExponent,
    crt = [],
  } = type === 'private' ? parseRsaPrivateKey(key) : parseRsaPublicKey(key);
  const bits = modulus.length * 8;
  if (bits < minModulusBits || bits > maxModulusBits || publicExponent.length * 8 > maxExponentBits) {
    throw new CryptoError(
      'CRYPTO_INVALID_KEY_LENGTH',
      `an RSA key of ${bits} bits with an exponent of ${publicExponent.length * 8}; ` +
        `there may be ${minModulusBits} to ${maxModulusBits}, and ${maxExponentBits}`,
    );
  }
  if (!isOdd(modulus) || !isOdd(publicExponent) || privateExponent?.length === 0) {
    throw new CryptoError('CRYPTO_INVALID_KEY', 'the numbers are not those of an RSA key');
  }
  const params: [string, ParamValue][] = [
    ['n', { number: modulus }],
    ['e', { number: publicExponent }],
  ];
  if (privateExponent !== undefined) params.push(['d', { number: privateExponent }]);
  for (const [i, number] of crt.entries()) params.push([crtNames[i]!, { number }]);
  return new OpensslRsaKey(pkeyFromData('RSA', type, params), type, padding, hash);
}

function ecdsaKey({ type, key, curve }: EcdsaKeyOptions): EngineKey {
  const params: [string, ParamValue][] = [['group', { text: groupNames[curve] }]];
  if (type === 'public') {
    params.push(['pub', { bytes: key }]);
  } else {
    const { scalar, point } = parseEcPrivateKey(key, curve);
    params.push(['priv', { number: scalar }]);
    if (point !== undefined) params.push(['pub', { bytes: point }]);
  }
  const native = pkeyFromData('EC', type, params);
  if (isPkeySound(native, type)) return new OpensslEcdsaKey(native, type);
  native.close();
  throw new CryptoError('CRYPTO_INVALID_KEY', `the numbers are not those of a key of ${curve}`);
}

function isOdd(number: Uint8Array): boolean {
  return ((number.at(-1) ?? 0) & 1) === 1;
}

abstract class OpensslKey implements EngineKey {
  readonly maxLength: number;
  protected readonly type: 'public' | 'private';
  readonly #key: NativeContext;

  constructor(key: NativeContext, type: 'public' | 'private') {
    this.#key = key;
    this.type = type;
    this.maxLength = pkeySize(key);
  }

  abstract encrypt(plaintext: Uint8Array): Uint8Array;
  abstract decrypt(ciphertext: Uint8Array): Uint8Array;
  abstract sign(digest: Uint8Array): Uint8Array;
  abstract verify(signature: Uint8Array, digest: Uint8Array): boolean;

  close(): void {
    this.#key.close();
  }

  protected transform(what: Transformation, settings: Settings, data: Uint8Array): Uint8Array {
    if (what !== 'encrypt' && this.type === 'public') throw wrong(what, 'a public key');
    return pkeyTransform(this.#key, what, settings, data);
  }

  protected check(settings: Settings, signature: Uint8Array, digest: Uint8Array): boolean {
    return pkeyVerify(this.#key, settings, signature, digest);
  }
}

class OpensslRsaKey extends OpensslKey {
  readonly #padding: 'raw' | 'pkcs1';
  readonly #hash: RsaHash;

  constructor(key: NativeContext, type: 'public' | 'private', padding: 'raw' | 'pkcs1', hash: RsaHash) {
    super(key, type);
    this.#padding = padding;
    this.#hash = hash;
  }

  encrypt(plaintext: Uint8Array): Uint8Array {
    return this.transform('encrypt', this.#settings, this.#filledUp(plaintext));
  }

  decrypt(ciphertext: Uint8Array): Uint8Array {
    return this.transform('decrypt', this.#settings, this.#filledUp(ciphertext));
  }

  sign(digest: Uint8Array): Uint8Array {
    return this.transform('sign', this.#signatureSettings('sign'), digest);
  }

  verify(signature: Uint8Array, digest: Uint8Array): boolean {
    return this.check(this.#signatureSettings('verify'), signature, digest);
  }

  get #settings(): Settings {
    return { padding: rsaPadding[this.#padding] };
  }

  #signatureSettings(what: string): Settings {
    if (this.#padding === 'raw') throw wrong(what, 'RSA without padding');
    return this.#hash === 'none' ? this.#settings : { ...this.#settings, digest: digestNames[this.#hash] };
  }

  /** Without padding, numbers are as long as the modulus. */
  #filledUp(data: Uint8Array): Uint8Array {
    if (data.length > this.maxLength) {
      throw new CryptoError(
        'CRYPTO_INVALID_DATA_LENGTH',
        `${data.length} bytes of data; the key takes no more than ${this.maxLength}`,
      );
    }
    if (this.#padding === 'pkcs1' || data.length === this.maxLength) return data;
    const filled = new Uint8Array(this.maxLength);
    filled.set(data, this.maxLength - data.length);
    return filled;
  }
}

class OpensslEcdsaKey extends OpensslKey {
  encrypt(): never {
    throw wrong('encrypt', 'ECDSA');
  }

  decrypt(): never {
    throw wrong('decrypt', 'ECDSA');
  }

  sign(digest: Uint8Array): Uint8Array {
    return this.transform('sign', {}, digest);
  }

  verify(signature: Uint8Array, digest: Uint8Array): boolean {
    return this.check({}, signature, digest);
  }
}

function wrong(what: string, kind: string): CryptoError {
  return new CryptoError('CRYPTO_WRONG_OPERATION', `${kind} does not ${what}`);
}
