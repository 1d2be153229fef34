/** What the driver makes of the device's statuses. */
import { CryptoError, type CryptoErrorCode } from '../crypto-error.ts';
import { failed } from '../driver-error.ts';
import { status, statusName } from './wire.ts';

const codes = new Map<number, CryptoErrorCode>([
  [status.BADMSG, 'CRYPTO_AUTHENTICATION_FAILED'],
  [status.NOSPC, 'CRYPTO_LIMIT'],
  [status.NOTSUPP, 'CRYPTO_UNKNOWN_ALGORITHM'],
  [status.KEY_REJECTED, 'CRYPTO_AUTHENTICATION_FAILED'],
]);
const explanations = new Map<number, string>([
  [
    status.BADMSG,
    'the tag does not match: data, associated data, nonce or key are not those that were sealed',
  ],
  [status.NOSPC, 'the device has no room for another session; close one'],
  [status.KEY_REJECTED, 'the signature is not one of this digest by this key'],
]);

/** @throws {CryptoError} what the status says */
export function throwUnlessOk(value: number): void {
  if (value === status.OK) return;
  const explanation = explanations.get(value) ?? `the device answered ${statusName(value)}`;
  throw new CryptoError(codes.get(value) ?? 'CRYPTO_DEVICE_FAILED', explanation);
}

export function tooShort(length: number, due: number): CryptoError {
  return failed(`the device wrote ${length} bytes; ${due} were due`);
}
