/** Why a cryptographic operation was refused. The codes are stable: programs may rely on them. */
export type CryptoErrorCode =
  /** The name is none that this package, or this engine, knows. */
  | 'CRYPTO_UNKNOWN_ALGORITHM'
  | 'CRYPTO_INVALID_KEY_LENGTH'
  /** An IV or nonce of the wrong length. */
  | 'CRYPTO_INVALID_IV_LENGTH'
  | 'CRYPTO_INVALID_TAG_LENGTH'
  /** Data that is no multiple of the block, longer than the algorithm or the device allows, or an output too short. */
  | 'CRYPTO_INVALID_DATA_LENGTH'
  /** Right form, forbidden value: for one, the two halves of an XTS key are equal. */
  | 'CRYPTO_INVALID_KEY'
  /** The tag does not match: the data, the associated data, the nonce or the key is not what was sealed. */
  | 'CRYPTO_AUTHENTICATION_FAILED'
  /** The operation does not belong to this kind of session. */
  | 'CRYPTO_WRONG_OPERATION'
  /** The session, or the device, was closed. */
  | 'CRYPTO_CLOSED'
  /** A limit of the device (sessions, requests in flight) is reached. */
  | 'CRYPTO_LIMIT'
  /** No such engine or device on this machine; the message says what is missing. */
  | 'CRYPTO_UNAVAILABLE'
  /** The device broke, was reset, or answered what it must not. */
  | 'CRYPTO_DEVICE_FAILED';

/** An error with a stable code and a message that carries the actual value. Never the key or the data. */
export class CryptoError extends Error {
  readonly code: CryptoErrorCode;

  constructor(code: CryptoErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CryptoError';
    this.code = code;
  }
}
