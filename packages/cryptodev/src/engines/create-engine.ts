import { CryptoError } from '../crypto-error.ts';
import type { Engine, EngineName } from '../engine.ts';

/** The engines there are, the fastest first. */
export const engineNames: readonly EngineName[] = ['openssl', 'node', 'webcrypto'];

/**
 * The engine of this name. Its code is loaded only now, so that a browser never meets the FFI.
 * @throws {CryptoError} CRYPTO_UNAVAILABLE if it does not work here; the message says why
 */
export async function createEngine(name: EngineName): Promise<Engine> {
  try {
    switch (name) {
      case 'openssl':
        return new (await import('./openssl.ts')).OpensslEngine();
      case 'node':
        return new (await import('./node.ts')).NodeEngine();
      case 'webcrypto':
        return new (await import('./webcrypto.ts')).WebCryptoEngine();
    }
  } catch (cause) {
    throw new CryptoError('CRYPTO_UNAVAILABLE', `the engine ${name} does not work here: ${reason(cause)}`, {
      cause,
    });
  }
  throw new CryptoError('CRYPTO_UNAVAILABLE', `no engine ${name}; there are: ${engineNames.join(', ')}`);
}

function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
