import { type Bytes, toHex } from '../bytes.ts';
import { type ChatCrypto, SEED_BYTES, type SigningKey } from '../crypto.ts';

export const IDENTITY_SEED_BYTES = SEED_BYTES;

/** A member: the key pair that signs its messages. The public key is its id everywhere. */
export class Identity implements Disposable {
  readonly key: SigningKey;
  /** Hexadecimal. */
  readonly id: string;

  /** @param seed 32 bytes, kept on disk by the caller, who wipes its own once the promise has ended */
  static async open(crypto: ChatCrypto, seed: Uint8Array): Promise<Identity> {
    return new Identity(await crypto.signingKey(seed));
  }

  private constructor(key: SigningKey) {
    this.key = key;
    this.id = toHex(key.publicKey);
  }

  static newSeed(crypto: ChatCrypto): Bytes {
    return crypto.randomBytes(IDENTITY_SEED_BYTES);
  }

  /** Forgets the private key. Twice is fine. */
  [Symbol.dispose](): void {
    this.key[Symbol.dispose]();
  }
}
