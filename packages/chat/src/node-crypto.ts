/** `ChatCrypto` by Node's OpenSSL. */
import {
  type Argon2Parameters,
  argon2,
  argon2Sync,
  createPrivateKey,
  createPublicKey,
  hash,
  hkdfSync,
  type KeyObject,
  randomFillSync,
  sign,
  type VerifyPublicKeyInput,
  verify,
} from 'node:crypto';
import { promisify } from 'node:util';
import { type Bytes, copyOf } from './bytes.ts';
import { type ChatCrypto, PUBLIC_KEY_BYTES, SEED_BYTES, type SigningKey } from './crypto.ts';

/** Finish what takes long: 0.1 ms for a signature, 0.15 s for a passphrase. */
type Slow = {
  verify(message: Uint8Array, key: VerifyPublicKeyInput, signature: Uint8Array): Promise<boolean>;
  argon2id(parameters: Argon2Parameters): Promise<Buffer>;
};

const verifyInPool = promisify(
  (
    message: Uint8Array,
    key: VerifyPublicKeyInput,
    signature: Uint8Array,
    done: (error: Error | null, valid: boolean) => void,
  ) => verify(null, message, key, signature, done),
);
const argon2InPool = promisify(argon2);

/** Several are worked on at once, and none holds the thread up that asks. */
const inThreadPool: Slow = {
  verify: verifyInPool,
  argon2id: (parameters) => argon2InPool('argon2id', parameters),
};

/** All is done when the call returns, so that what follows comes in the same order each time. */
const inThisThread: Slow = {
  verify: async (message, key, signature) => verify(null, message, key, signature),
  argon2id: async (parameters) => argon2Sync('argon2id', parameters),
};

/** @param threadPool whether to use Node's thread pool; a run that is to be repeated exactly must not */
export function nodeCrypto({ threadPool = true } = {}): ChatCrypto {
  const slow = threadPool ? inThreadPool : inThisThread;
  return {
    randomBytes: (length) => randomFillSync(new Uint8Array(length)),
    sha256: async (data) => copyOf(hash('sha256', data, 'buffer')),
    hkdf: async (key, salt, info, length) => new Uint8Array(hkdfSync('sha256', key, salt, info, length)),
    signingKey: async (seed) => new NodeSigningKey(seed),

    async verify(publicKey, message, signature) {
      if (publicKey.length !== PUBLIC_KEY_BYTES) return false;
      // As bytes: an object would keep native memory until it is collected, which nothing hastens. Raw, since OpenSSL takes
      // some 30 us to read a SubjectPublicKeyInfo, and that in the thread that asks.
      const key: unknown = { key: publicKey, format: 'raw-public', asymmetricKeyType: 'ed25519' };
      // The types of `verify` do not know raw keys yet, though it takes all that `createPublicKey` does.
      return slow.verify(message, key as VerifyPublicKeyInput, signature);
    },

    async argon2id(secret, salt, cost) {
      const key = await slow.argon2id({ message: secret, nonce: salt, tagLength: 32, ...cost });
      const own = copyOf(key);
      key.fill(0);
      return own;
    },
  };
}

/** The public half of an Ed25519 key pair, for who can only wait in this thread. @throws {RangeError} as `ChatCrypto.signingKey` */
export function publicKeyOf(seed: Uint8Array): Bytes {
  return publicHalf(privateKeyOf(seed));
}

class NodeSigningKey implements SigningKey {
  readonly publicKey: Bytes;
  /** OpenSSL wipes its copy when the object is collected. */
  #key: KeyObject | undefined;

  constructor(seed: Uint8Array) {
    this.#key = privateKeyOf(seed);
    this.publicKey = publicHalf(this.#key);
  }

  async sign(message: Uint8Array): Promise<Bytes> {
    if (this.#key === undefined) throw new Error('the signing key was wiped');
    return copyOf(sign(null, message, this.#key));
  }

  [Symbol.dispose](): void {
    this.#key = undefined;
  }
}

function privateKeyOf(seed: Uint8Array): KeyObject {
  if (seed.length !== SEED_BYTES) throw new RangeError(`an Ed25519 private key of ${seed.length} bytes`);
  // The bytes go straight to OpenSSL. A copy by `Buffer.from` would stay in the pool that all small Buffers share.
  return createPrivateKey({ key: seed, format: 'raw-private', asymmetricKeyType: 'ed25519' });
}

function publicHalf(key: KeyObject): Bytes {
  return copyOf(createPublicKey(key).export({ format: 'raw-public' }));
}
