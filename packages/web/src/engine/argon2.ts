/** Argon2id by WebAssembly, a module of its own: it is loaded when the first passphrase comes. */
import type { Argon2Cost } from '@skytale/chat/client';
import { argon2id } from 'hash-wasm';

const KEY_BYTES = 32;

/**
 * Takes this thread's time, 0.3 s for what an invite costs. Its 64 MiB are let go of afterwards; nobody can wipe them.
 * @param secret read before it returns, as `salt`
 */
export async function argon2(secret: Uint8Array, salt: Uint8Array, cost: Argon2Cost): Promise<Uint8Array> {
  const { memory: memorySize, passes: iterations, parallelism } = cost;
  const shape = { memorySize, iterations, parallelism, hashLength: KEY_BYTES, outputType: 'binary' } as const;
  return await argon2id({ password: secret, salt, ...shape });
}
