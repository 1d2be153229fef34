import { toHex } from './bytes.ts';
import { randomBytes, SigningKey } from './primitives.ts';

export const IDENTITY_SEED_BYTES = 32;

/** A member: the key pair that signs its messages. The public key is its id everywhere. */
export class Identity {
  readonly key: SigningKey;
  /** Hexadecimal. */
  readonly id: string;

  /** @param seed 32 bytes, kept on disk by the caller */
  constructor(seed: Uint8Array) {
    this.key = new SigningKey(seed);
    this.id = toHex(this.key.publicKey);
  }

  static newSeed(): Uint8Array {
    return randomBytes(IDENTITY_SEED_BYTES);
  }
}
