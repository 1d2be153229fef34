/** For tests: an engine that has batches on every machine, and does in them what it does without. */
import { Segments } from '@skytale/virtio';
import type { CipherName } from '../algorithms.ts';
import { CryptoError } from '../crypto-error.ts';
import type { CipherBatch, Engine, EngineCipher } from '../engine.ts';
import { OpensslEngine } from '../engines/openssl.ts';

export type BatchingOptions = {
  readonly capacity?: number;
  /** In bytes. */
  readonly shortest?: number;
  /** Called before a batch is carried out, which fails if it throws. */
  readonly beforeRun?: (operations: number) => void;
};

/** OpenSSL with batches of AES-CBC; they run in the reverse of the order, which must not matter. */
export function batchingEngine({ capacity = 3, shortest = 0, beforeRun }: BatchingOptions = {}): Engine {
  const engine = new OpensslEngine();
  const batched = new WeakSet<EngineCipher>();
  return {
    name: engine.name,
    asymmetric: engine.asymmetric,
    supports: (algorithm) => engine.supports(algorithm),
    createAead: (...values) => engine.createAead(...values),
    createHash: (hash) => engine.createHash(hash),
    createMac: (...values) => engine.createMac(...values),
    createCipher: (name: CipherName, key: Uint8Array) => {
      const cipher = engine.createCipher(name, key);
      if (name === 'aes-cbc') batched.add(cipher);
      return cipher;
    },
    createBatch: () => newBatch({ capacity, shortest }, batched, beforeRun),
  };
}

function newBatch(
  { capacity, shortest }: Required<Pick<BatchingOptions, 'capacity' | 'shortest'>>,
  batched: WeakSet<EngineCipher>,
  beforeRun: BatchingOptions['beforeRun'],
): CipherBatch {
  const operations: (() => void)[] = [];
  return {
    capacity,
    shortest,
    add: (cipher, direction, iv, source, destination) => {
      if (!batched.has(cipher) || operations.length === capacity) return false;
      if (source.byteLength === 0 || source.byteLength % 16 !== 0) return false;
      const copyOfIv = iv.slice();
      const [from, to] = [copyOf(source), copyOf(destination)];
      operations.push(() => cipher.crypt(direction, copyOfIv, from, to));
      return true;
    },
    run: () => {
      const all = operations.splice(0).reverse();
      beforeRun?.(all.length);
      for (const operation of all) operation();
    },
  };
}

/** The same ranges in a list of its own: to find out who lets go of his before the batch has run. */
function copyOf(segments: Segments): Segments {
  const copy = new Segments();
  for (let i = 0; i < segments.count; i++)
    copy.push(segments.memory[i]!, segments.offset[i]!, segments.length[i]!);
  return copy;
}

/** For `beforeRun`: makes the first batch fail, and none after it. */
export function failsOnce(): () => void {
  let failures = 1;
  return () => {
    if (failures-- > 0) throw new CryptoError('CRYPTO_DEVICE_FAILED', 'the batch failed');
  };
}
