/** What the driver makes of statuses. */
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
