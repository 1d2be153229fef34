import { CryptoError } from '../crypto-error.ts';
import type { Engine, EngineName } from '../engine.ts';

/** The engines that are a part of the process, the fastest first. */
export const ownEngineNames: readonly EngineName[] = ['openssl', 'node', 'webcrypto'];
/** The engines there are; after the process's own those that few machines have: a library's, the kernel's. */
export const engineNames: readonly EngineName[] = [...ownEngineNames, 'ipsec-mb', 'cryptodev', 'af-alg'];

export type CreateEngineOptions = {
  /** For `cryptodev`: the path of the device; the first that is found unless told. */
  readonly path?: string;
};

/** An engine; or `auto`, the fastest that works here for many requests at a time: `ipsec-mb`, or else `openssl`. */
export type EngineChoice = EngineName | 'auto';

/**
 * The engine of this name. Its code is loaded only now, so that a browser never meets the FFI.
 * @throws {CryptoError} CRYPTO_UNAVAILABLE if it does not work here; the message says why
 */
export async function createEngine(name: EngineChoice, { path }: CreateEngineOptions = {}): Promise<Engine> {
  try {
    switch (name) {
      case 'auto':
        return await createEngine('ipsec-mb').catch(() => createEngine('openssl'));
      case 'openssl':
        return new (await import('./openssl.ts')).OpensslEngine();
      case 'node':
        return new (await import('./node.ts')).NodeEngine();
      case 'webcrypto':
        return new (await import('./webcrypto.ts')).WebCryptoEngine();
      case 'ipsec-mb':
        return new (await import('./ipsec-mb.ts')).IpsecMbEngine();
      case 'cryptodev':
        return new (await import('./dev-crypto.ts')).CryptodevEngine(path);
      case 'af-alg':
        return new (await import('./af-alg.ts')).AfAlgEngine();
    }
  } catch (cause) {
    throw new CryptoError('CRYPTO_UNAVAILABLE', `the engine ${name} does not work here: ${reason(cause)}`, {
      cause,
    });
  }
  throw new CryptoError('CRYPTO_UNAVAILABLE', `no engine ${name}; there are: ${engineNames.join(', ')}`);
}

/** The name that an engine of this choice has: to be told before, or elsewhere than, the engine is made. */
export async function chooseEngine(choice: EngineChoice): Promise<EngineName> {
  if (choice !== 'auto') return choice;
  const engine = await createEngine(choice);
  engine.close?.();
  return engine.name;
}

function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
