/** Calls of the kernel that fail. */
import { getSystemErrorMap } from 'node:util';
import { CryptoError, type CryptoErrorCode } from '../crypto-error.ts';

/** Node has names for what its own calls fail with. */
const others = new Map([[74, ['EBADMSG', 'bad message']]]);

function describe(errno: number): readonly [name: string, message: string] {
  const [name = `errno ${errno}`, message = 'failed'] =
    getSystemErrorMap().get(-errno) ?? others.get(errno) ?? [];
  return [name, message];
}

export class SystemError extends Error {
  /** errno's name, such as `EINVAL`. */
  readonly code: string;

  constructor(errno: number, what: string) {
    const [name, message] = describe(errno);
    super(`${what}: ${message} (${name})`);
    this.name = 'SystemError';
    this.code = name;
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
