/**
 * The keys of AKCIPHER requests, taken out of their DER (X.690). Nothing but the numbers goes on to OpenSSL:
 * its own decoders take much that a stranger should not be able to send, curves of his making for one.
 *
 * Lengths in longer forms than needed, versions and signs are not looked at, no more than Linux does, whose
 * self-tests send such keys.
 */
import type { CurveName } from '../asymmetric.ts';
import { CryptoError } from '../crypto-error.ts';

/** Numbers are big-endian, without leading zeros; 0 has no bytes. */
export type RsaNumbers = {
  readonly modulus: Uint8Array;
  readonly publicExponent: Uint8Array;
  readonly privateExponent?: Uint8Array;
  /** For the Chinese remainder theorem: p, q, d mod (p-1), d mod (q-1), q^-1 mod p. All of them or none. */
  readonly crt?: readonly Uint8Array[];
};

export type EcNumbers = {
  readonly scalar: Uint8Array;
  /** The public point, as SEC 1, 2.3.3 encodes it. */
  readonly point?: Uint8Array;
};

const tags = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  sequence: 0x30,
  explicit: 0xa0,
} as const;

/** Contents of the object identifiers of NIST's curves (RFC 5480, 2.1.1.1; RFC 5759). */
const curveOids: Record<CurveName, string> = {
  'p-192': '2a8648ce3d030101',
  'p-224': '2b81040021',
  'p-256': '2a8648ce3d030107',
  'p-384': '2b81040022',
  'p-521': '2b81040023',
};

/** RSAPublicKey (RFC 8017, A.1.1). @throws {CryptoError} CRYPTO_INVALID_KEY */
export function parseRsaPublicKey(der: Uint8Array): RsaNumbers {
  const fields = new Reader(der).enter(tags.sequence);
  return { modulus: fields.number(), publicExponent: fields.number() };
}

/**
 * RSAPrivateKey (RFC 8017, A.1.2). Keys of more than two primes, and those whose primes are left out (given as 0),
 * do without them.
 * @throws {CryptoError} CRYPTO_INVALID_KEY
 */
export function parseRsaPrivateKey(der: Uint8Array): RsaNumbers {
  const fields = new Reader(der).enter(tags.sequence);
  fields.number();
  const modulus = fields.number();
  const publicExponent = fields.number();
  const privateExponent = fields.number();
  const crt = Array.from({ length: 5 }, () => fields.number());
  const whole = fields.isAtEnd && crt.every((number) => number.length > 0);
  return { modulus, publicExponent, privateExponent, ...(whole && { crt }) };
}

/** ECPrivateKey (RFC 5915, 3). Its curve, if it names one, must be `curve`. @throws {CryptoError} CRYPTO_INVALID_KEY */
export function parseEcPrivateKey(der: Uint8Array, curve: CurveName): EcNumbers {
  const fields = new Reader(der).enter(tags.sequence);
  fields.number();
  const scalar = withoutZeros(fields.take(tags.octetString));
  if (fields.isNext(tags.explicit)) {
    const oid = fields.enter(tags.explicit).take(tags.oid);
    if (oid.toHex() !== curveOids[curve]) throw invalid(`it is of another curve than ${curve}`);
  }
  if (!fields.isNext(tags.explicit | 1)) return { scalar };
  const bits = fields.enter(tags.explicit | 1).take(tags.bitString);
  if (bits[0] !== 0) throw invalid('its public point is not whole bytes');
  return { scalar, point: bits.subarray(1) };
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  isNext(tag: number): boolean {
    return this.#bytes[this.#at] === tag;
  }

  /** The contents of the next element, which must have this tag. */
  take(tag: number): Uint8Array {
    if (!this.isNext(tag)) throw invalid(`at ${this.#at} there is no element of tag ${tag}`);
    this.#at += 1;
    const length = this.#length();
    const start = this.#at;
    if (length > this.#bytes.length - start) throw invalid(`an element of ${length} bytes is longer than it`);
    this.#at = start + length;
    return this.#bytes.subarray(start, this.#at);
  }

  enter(tag: number): Reader {
    return new Reader(this.take(tag));
  }

  number(): Uint8Array {
    return withoutZeros(this.take(tags.integer));
  }

  #length(): number {
    const first = this.#byte();
    if (first < 0x80) return first;
    const count = first & 0x7f;
    if (count === 0 || count > 4) throw invalid(`a length of ${count} bytes`);
    let length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + this.#byte();
    return length;
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw invalid('it ends in the middle of a length');
    this.#at += 1;
    return byte;
  }
}

function withoutZeros(number: Uint8Array): Uint8Array {
  let start = 0;
  while (number[start] === 0) start += 1;
  return number.subarray(start);
}

function invalid(why: string): CryptoError {
  return new CryptoError('CRYPTO_INVALID_KEY', `the key cannot be read: ${why}`);
}
