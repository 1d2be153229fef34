/** What the driver makes of statuses, and of what queues and transports throw. */
import { VirtioError } from '@skytale/virtio';
import { CryptoError, type CryptoErrorCode } from '../crypto-error.ts';
import { errno, errnoName } from './errno.ts';

const codes = new Map<number, CryptoErrorCode>([
  [errno.EBADMSG, 'CRYPTO_AUTHENTICATION_FAILED'],
  [errno.EMFILE, 'CRYPTO_LIMIT'],
  [errno.ENFILE, 'CRYPTO_LIMIT'],
  [errno.ENOMEM, 'CRYPTO_LIMIT'],
  [errno.EMSGSIZE, 'CRYPTO_INVALID_DATA_LENGTH'],
]);

const explanations = new Map<number, string>([
  [
    errno.EBADMSG,
    'the tag does not match: data, associated data, nonce or key are not those that were sealed',
  ],
  [errno.EMFILE, 'the device has no room for another session; close one'],
  [errno.ENFILE, 'the device has no handle left; close another user of it'],
  [errno.ENOMEM, 'the device has no memory left; close sessions'],
  [errno.EMSGSIZE, 'more data than the device takes in one request'],
]);

export function statusError(status: number): CryptoError {
  const explanation = explanations.get(status) ?? `the device answered ${errnoName(status)}`;
  return new CryptoError(codes.get(status) ?? 'CRYPTO_DEVICE_FAILED', explanation);
}

export function failed(message: string, options?: ErrorOptions): CryptoError {
  return new CryptoError('CRYPTO_DEVICE_FAILED', message, options);
}

/** What a queue or a transport threw, by this package's codes. */
export function asCryptoError(error: unknown): CryptoError {
  if (error instanceof CryptoError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof VirtioError)) return failed(message, { cause: error });
  switch (error.code) {
    case 'VIRTIO_CLOSED':
      return new CryptoError('CRYPTO_CLOSED', message, { cause: error });
    case 'VIRTIO_BUSY':
      return new CryptoError('CRYPTO_LIMIT', message, { cause: error });
    case 'VIRTIO_OUT_OF_MEMORY':
      return new CryptoError('CRYPTO_INVALID_DATA_LENGTH', message, { cause: error });
    default:
      return failed(message, { cause: error });
  }
}
