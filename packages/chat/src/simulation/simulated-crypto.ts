import { Buffer } from 'node:buffer';
import { type Bytes, copyOf, toHex } from '../bytes.ts';
import type { ChatCrypto, SigningKey } from '../crypto.ts';
import type { SeededRandom } from './seeded-random.ts';

/**
 * The cryptography of a run: the real one, with randomness that the seed decides. A signature that was made in the run, and comes as it
 * was made, by that key over that message, verifies without being computed once more; every other one is verified. (It was most of
 * the time of a run: everybody verifies everything, at each life anew.) It keeps what was signed in the run, some megabytes.
 */
export function simulatedCrypto(crypto: ChatCrypto, random: SeededRandom): ChatCrypto {
  /** By the signature. */
  const signed = new Map<string, { readonly publicKey: Bytes; readonly message: Bytes }>();
  return {
    randomBytes: (length) => random.bytes(length),
    sha256: (data) => crypto.sha256(data),
    hkdf: (key, salt, info, length) => crypto.hkdf(key, salt, info, length),
    argon2id: (secret, salt, cost) => crypto.argon2id(secret, salt, cost),

    async signingKey(seed): Promise<SigningKey> {
      const key = await crypto.signingKey(seed);
      return {
        publicKey: key.publicKey,
        async sign(message) {
          const signature = await key.sign(message);
          signed.set(toHex(signature), { publicKey: key.publicKey, message: copyOf(message) });
          return signature;
        },
        [Symbol.dispose]: () => key[Symbol.dispose](),
      };
    },

    async verify(publicKey, message, signature) {
      const made = signed.get(toHex(signature));
      if (made !== undefined && same(made.publicKey, publicKey) && same(made.message, message)) return true;
      return crypto.verify(publicKey, message, signature);
    },
  };
}

function same(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}
