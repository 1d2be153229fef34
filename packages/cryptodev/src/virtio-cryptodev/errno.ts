/** Section 7: the status values, Linux's errno. */
import { CryptoError, type CryptoErrorCode } from '../crypto-error.ts';

export const errno = {
  ENOENT: 2,
  EIO: 5,
  EBADF: 9,
  ENOMEM: 12,
  EFAULT: 14,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  EDEADLK: 35,
  EPROTO: 71,
  EBADMSG: 74,
  EMSGSIZE: 90,
} as const;

const names = new Map<number, string>(Object.entries(errno).map(([name, value]) => [value, name]));

/** `EINVAL` for 22; the number itself for one that the document does not have. */
export function errnoName(status: number): string {
  return names.get(status) ?? `errno ${status}`;
}

/** The engine's refusals that are the request's fault. */
const refusals: readonly CryptoErrorCode[] = [
  'CRYPTO_UNKNOWN_ALGORITHM',
  'CRYPTO_INVALID_KEY_LENGTH',
  'CRYPTO_INVALID_IV_LENGTH',
  'CRYPTO_INVALID_TAG_LENGTH',
  'CRYPTO_INVALID_DATA_LENGTH',
  'CRYPTO_INVALID_KEY',
];

/** The status that says what an engine threw. */
export function errnoOf(error: unknown): number {
  return error instanceof CryptoError && refusals.includes(error.code) ? errno.EINVAL : errno.EIO;
}
