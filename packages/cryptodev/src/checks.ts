/**
 * The checks of everything a program hands to a `CryptoDevice`, for all its implementations: what passes
 * here an engine may take as it is.
 */
import type {
  AeadName,
  AeadProperties,
  AlgorithmName,
  CipherName,
  CipherProperties,
  MacName,
} from './algorithms.ts';
import { aeads, ciphers, hashes, hashOfMac } from './algorithms.ts';
import type {
  AeadOperation,
  CipherOperation,
  Direction,
  Operation,
  SessionOptions,
} from './crypto-device.ts';
import { CryptoError } from './crypto-error.ts';
import { assertAcceptableKey } from './engines/keys.ts';

/** The longest key of an HMAC, in bytes; any longer than a block of the hash is hashed anyway (RFC 2104). */
export const maxMacKeyLength = 65_536;
/** The longest tag, and the one that is meant where none is asked for. */
export const defaultTagLength = 16;
/** The most bytes of data, and of associated data, in one call of OpenSSL's, as CCM needs it. */
const maxCcmLength = 2 ** 31 - 1;

/** The algorithm that a session of these options is for. */
export function algorithmOf(options: SessionOptions): AlgorithmName {
  if ('cipher' in options) return options.cipher;
  if ('aead' in options) return options.aead;
  if ('mac' in options) return options.mac;
  return options.hash;
}

/**
 * @throws {CryptoError} CRYPTO_UNKNOWN_ALGORITHM, CRYPTO_INVALID_KEY_LENGTH, CRYPTO_INVALID_KEY,
 *   CRYPTO_INVALID_TAG_LENGTH
 */
export function checkSession(options: SessionOptions): void {
  if ('cipher' in options) {
    checkKey(options.cipher, propertiesOf<CipherProperties>(ciphers, options.cipher).keyLengths, options.key);
    assertAcceptableKey(options.cipher, options.key);
  } else if ('aead' in options) {
    const { keyLengths, tagLengths } = propertiesOf<AeadProperties>(aeads, options.aead);
    checkKey(options.aead, keyLengths, options.key);
    const { tagLength = defaultTagLength } = options;
    if (!tagLengths.includes(tagLength)) {
      throw new CryptoError(
        'CRYPTO_INVALID_TAG_LENGTH',
        `a tag of ${tagLength} bytes; ${options.aead} has ${tagLengths.join(', ')}`,
      );
    }
  } else if ('mac' in options) {
    checkMac(options.mac, options.key);
  } else {
    propertiesOf(hashes, options.hash);
  }
}

/**
 * @returns the IV, of no bytes where the cipher takes none
 * @throws {CryptoError} CRYPTO_INVALID_DATA_LENGTH, CRYPTO_INVALID_IV_LENGTH
 */
export function checkCipherOperation(cipher: CipherName, data: Uint8Array, iv?: Uint8Array): Uint8Array {
  const { blockSize, ivLength, maxLength = Infinity }: CipherProperties = ciphers[cipher];
  checkBytes('data', data);
  if (data.length % blockSize !== 0) {
    throw new CryptoError(
      'CRYPTO_INVALID_DATA_LENGTH',
      `${data.length} bytes of data; ${cipher} takes multiples of ${blockSize}`,
    );
  }
  if (data.length > maxLength) {
    throw new CryptoError(
      'CRYPTO_INVALID_DATA_LENGTH',
      `${data.length} bytes of data; ${cipher} takes no more than ${maxLength} in one message`,
    );
  }
  const given = iv ?? new Uint8Array(0);
  checkBytes('iv', given);
  if (given.length !== ivLength) {
    throw new CryptoError(
      'CRYPTO_INVALID_IV_LENGTH',
      `an IV of ${given.length} bytes; ${cipher} takes ${ivLength}`,
    );
  }
  return given;
}

/** @throws {CryptoError} CRYPTO_INVALID_DATA_LENGTH, CRYPTO_INVALID_IV_LENGTH */
export function checkAeadOperation(
  aead: AeadName,
  tagLength: number,
  direction: Direction,
  data: Uint8Array,
  nonce: Uint8Array,
  associatedData: Uint8Array,
): void {
  const [shortest, longest] = aeads[aead].nonceLengths;
  checkBytes('data', data);
  checkBytes('nonce', nonce);
  checkBytes('associatedData', associatedData);
  if (nonce.length < shortest || nonce.length > longest) {
    const takes = shortest === longest ? `${shortest}` : `${shortest} to ${longest}`;
    throw new CryptoError(
      'CRYPTO_INVALID_IV_LENGTH',
      `a nonce of ${nonce.length} bytes; ${aead} takes ${takes}`,
    );
  }
  const length = direction === 'encrypt' ? data.length : data.length - tagLength;
  if (length < 0) {
    throw new CryptoError(
      'CRYPTO_INVALID_DATA_LENGTH',
      `${data.length} bytes to decrypt; the tag alone has ${tagLength}`,
    );
  }
  if (aead === 'aes-ccm') checkCcmLengths(length, nonce.length, associatedData.length);
}

/** @throws {CryptoError} CRYPTO_WRONG_OPERATION, if the operation is none of a session of these options */
export function checkOneShot(options: SessionOptions, operation: Operation): void {
  const wanted = 'cipher' in options || 'aead' in options ? ['encrypt', 'decrypt'] : ['digest'];
  const fits = 'aead' in options ? 'nonce' in operation : !('nonce' in operation);
  if (wanted.includes(operation.operation) && fits) return;
  throw new CryptoError(
    'CRYPTO_WRONG_OPERATION',
    `${operation.operation}${'nonce' in operation ? ' with a nonce' : ''} is no operation of ${algorithmOf(options)}`,
  );
}

/** Whether an operation that `checkOneShot` has let pass belongs to an AEAD. */
export function isAeadOperation(operation: CipherOperation | AeadOperation): operation is AeadOperation {
  return 'nonce' in operation;
}

/** @throws {TypeError} if a caller without types passed something else than a `Uint8Array` */
export function checkBytes(what: string, bytes: Uint8Array): void {
  if (!(bytes instanceof Uint8Array))
    throw new TypeError(`${what} must be a Uint8Array, not ${typeof bytes}`);
}

/** SP 800-38C, A.1: the nonce and the length of the data share 15 bytes. */
function checkCcmLengths(length: number, nonceLength: number, associatedLength: number): void {
  const most = Math.min(2 ** (8 * (15 - nonceLength)) - 1, maxCcmLength);
  if (length > most) {
    throw new CryptoError(
      'CRYPTO_INVALID_DATA_LENGTH',
      `${length} bytes of data; aes-ccm with a nonce of ${nonceLength} bytes takes no more than ${most}`,
    );
  }
  if (associatedLength > maxCcmLength) {
    throw new CryptoError(
      'CRYPTO_INVALID_DATA_LENGTH',
      `${associatedLength} bytes of associated data; aes-ccm takes no more than ${maxCcmLength}`,
    );
  }
}

function checkKey(algorithm: AlgorithmName, lengths: readonly number[], key: Uint8Array): void {
  checkBytes('key', key);
  if (lengths.includes(key.length)) return;
  throw new CryptoError(
    'CRYPTO_INVALID_KEY_LENGTH',
    `a key of ${key.length} bytes; ${algorithm} takes ${lengths.join(', ')}`,
  );
}

function checkMac(mac: MacName, key: Uint8Array): void {
  if (typeof mac !== 'string' || !mac.startsWith('hmac-')) throw unknown(mac);
  propertiesOf(hashes, hashOfMac(mac), mac);
  checkBytes('key', key);
  if (key.length <= maxMacKeyLength) return;
  throw new CryptoError(
    'CRYPTO_INVALID_KEY_LENGTH',
    `a key of ${key.length} bytes; ${mac} takes no more than ${maxMacKeyLength}`,
  );
}

/** What a table says of a name; `called` is the name for the error. */
function propertiesOf<P>(table: Readonly<Record<string, P>>, name: string, called: unknown = name): P {
  const properties = Object.hasOwn(table, name) ? table[name] : undefined;
  if (properties === undefined) throw unknown(called);
  return properties;
}

function unknown(name: unknown): CryptoError {
  return new CryptoError('CRYPTO_UNKNOWN_ALGORITHM', `unknown algorithm ${JSON.stringify(name)}`);
}
