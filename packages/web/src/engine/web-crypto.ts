/** `ChatCrypto` by WebCrypto, and Argon2id by WebAssembly. */
import type { Argon2Cost, ChatCrypto, SigningKey } from '@skytale/chat/client';

type Bytes = Uint8Array<ArrayBuffer>;

const SEED_BYTES = 32;
const PUBLIC_KEY_BYTES = 32;
/** What one call of `getRandomValues` gives at most. */
const MAX_RANDOM_BYTES = 65_536;
/** What stands before the 32 bytes of an Ed25519 private key in its PrivateKeyInfo (RFC 8410, section 7). */
const PKCS8_PREFIX = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
const ED25519 = { name: 'Ed25519' };

/**
 * The points of small order, those written with a y of p or more too, without the sign. Under such a key anybody signs anything, and
 * not every platform refuses them, as the Web Cryptography API (Ed25519, "Verify", step 5) has it: Chromium does not.
 */
const smallOrder: ReadonlySet<string> = new Set([
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  `ec${'ff'.repeat(30)}7f`,
  `ed${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(30)}7f`,
]);

/** Newer than the types: Web Cryptography API's draft "Modern Algorithms", section 5; in Node since 24.7. */
type WithPublicKey = SubtleCrypto & {
  getPublicKey?(key: CryptoKey, usages: readonly KeyUsage[]): Promise<CryptoKey>;
};

/**
 * Needs a secure context, and Ed25519: Chromium has it since 137, Firefox since 129, Safari since 17, Node since 24.
 * What the platform holds of keys cannot be wiped, only let go of.
 */
export function webCrypto(platform: Crypto = globalThis.crypto): ChatCrypto {
  const subtle: SubtleCrypto = platform.subtle;
  return {
    randomBytes(length) {
      const bytes = new Uint8Array(length);
      for (let at = 0; at < length; at += MAX_RANDOM_BYTES)
        platform.getRandomValues(bytes.subarray(at, at + MAX_RANDOM_BYTES));
      return bytes;
    },

    sha256: async (data) => new Uint8Array(await subtle.digest('SHA-256', owned(data))),

    async hkdf(key, salt, info, length) {
      const [ownSalt, ownInfo] = [salt.slice(), info.slice()];
      const imported = await withCopy(key, (copy) =>
        subtle.importKey('raw', copy, 'HKDF', false, ['deriveBits']),
      );
      const algorithm = { name: 'HKDF', hash: 'SHA-256', salt: ownSalt, info: ownInfo };
      return new Uint8Array(await subtle.deriveBits(algorithm, imported, 8 * length));
    },

    signingKey: (seed) => WebSigningKey.open(subtle, seed),

    async verify(publicKey, message, signature) {
      if (publicKey.length !== PUBLIC_KEY_BYTES || isOfSmallOrder(publicKey)) return false;
      const [ownMessage, ownSignature] = [message.slice(), signature.slice()];
      const key = await subtle
        .importKey('raw', owned(publicKey), ED25519, false, ['verify'])
        .catch(() => undefined);
      return key !== undefined && (await subtle.verify(ED25519, key, ownSignature, ownMessage));
    },

    argon2id: (secret, salt, cost) => stretched(secret.slice(), salt.slice(), cost),
  };
}

async function stretched(secret: Bytes, salt: Bytes, cost: Argon2Cost): Promise<Bytes> {
  try {
    const { argon2 } = await import('./argon2.ts');
    const key = await argon2(secret, salt, cost);
    return key.buffer.byteLength === key.length ? owned(key) : key.slice();
  } finally {
    secret.fill(0);
  }
}

class WebSigningKey implements SigningKey {
  readonly publicKey: Bytes;
  readonly #subtle: SubtleCrypto;
  #key: CryptoKey | undefined;

  static async open(subtle: SubtleCrypto, seed: Uint8Array): Promise<WebSigningKey> {
    if (seed.length !== SEED_BYTES) throw new RangeError(`an Ed25519 private key of ${seed.length} bytes`);
    const whole = new Uint8Array(PKCS8_PREFIX.length + SEED_BYTES);
    whole.set(PKCS8_PREFIX);
    whole.set(seed, PKCS8_PREFIX.length);
    return await withCopy(whole, async (pkcs8) => {
      whole.fill(0);
      const key = await subtle.importKey('pkcs8', pkcs8, ED25519, false, ['sign']);
      return new WebSigningKey(subtle, key, await publicHalf(subtle, key, pkcs8));
    });
  }

  private constructor(subtle: SubtleCrypto, key: CryptoKey, publicKey: Bytes) {
    this.#subtle = subtle;
    this.#key = key;
    this.publicKey = publicKey;
  }

  async sign(message: Uint8Array): Promise<Bytes> {
    if (this.#key === undefined) throw new Error('the signing key was wiped');
    return new Uint8Array(await this.#subtle.sign(ED25519, this.#key, owned(message)));
  }

  [Symbol.dispose](): void {
    this.#key = undefined;
  }
}

/** Where the platform does not give it of a private key, only JSON has it, which for a moment is an extractable key's. */
async function publicHalf(subtle: WithPublicKey, key: CryptoKey, pkcs8: Bytes): Promise<Bytes> {
  if (subtle.getPublicKey !== undefined) {
    const half = await subtle.getPublicKey(key, ['verify']);
    return new Uint8Array(await subtle.exportKey('raw', half));
  }
  const extractable = await subtle.importKey('pkcs8', pkcs8, ED25519, true, ['sign']);
  const { x = '' } = await subtle.exportKey('jwk', extractable);
  return Uint8Array.fromBase64(x, { alphabet: 'base64url' });
}

function isOfSmallOrder(publicKey: Uint8Array): boolean {
  return smallOrder.has(publicKey.with(31, publicKey[31]! & 0x7f).toHex());
}

/** Hands on a copy of a secret, which is wiped when what is done with it has ended. */
async function withCopy<T>(secret: Uint8Array, use: (copy: Bytes) => Promise<T>): Promise<T> {
  const copy = secret.slice();
  try {
    return await use(copy);
  } finally {
    copy.fill(0);
  }
}

/** As the platform's functions want it, which read it before they return; the bytes are not copied. */
function owned(bytes: Uint8Array): Bytes {
  return bytes as Bytes;
}
