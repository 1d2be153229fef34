/** Calls of the kernel that fail. */
import { getSystemErrorMessage, getSystemErrorName } from 'node:util';
import { CryptoError, type CryptoErrorCode } from '../crypto-error.ts';

export class SystemError extends Error {
  /** errno's name, such as `EINVAL`. */
  readonly code: string;

  constructor(errno: number, what: string) {
    super(`${what}: ${getSystemErrorMessage(-errno)} (${getSystemErrorName(-errno)})`);
    this.name = 'SystemError';
    this.code = getSystemErrorName(-errno);
  }
}

/** What of it is the fault of nobody: something has run out. */
const limits = ['EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS', 'ENOSPC', 'EAGAIN'];

/** What an operation threw, by this package's codes. */
export function asCryptoError(error: unknown): unknown {
  if (!(error instanceof SystemError)) return error;
  const code: CryptoErrorCode = limits.includes(error.code) ? 'CRYPTO_LIMIT' : 'CRYPTO_DEVICE_FAILED';
  return new CryptoError(code, error.message, { cause: error });
}

/** Runs it, and throws what it throws by this package's codes. */
export function explained<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw asCryptoError(error);
  }
}

export function isSystemError(error: unknown, code: string): boolean {
  return error instanceof SystemError && error.code === code;
}
