/**
 * The algorithms, by the names that this package uses for them, with their sizes in bytes. Everything else
 * that depends on an algorithm (cryptodev numbers, OpenSSL names) is a table of whoever needs it.
 */

/** Ciphers without authentication. */
export const ciphers = {
  'aes-cbc': { keyLengths: [16, 24, 32], blockSize: 16, ivLength: 16 },
  'aes-ctr': { keyLengths: [16, 24, 32], blockSize: 1, ivLength: 16 },
  'aes-ecb': { keyLengths: [16, 24, 32], blockSize: 16, ivLength: 0 },
  /** Two keys in one; data of whole blocks only, as `/dev/crypto` has it. */
  'aes-xts': { keyLengths: [32, 64], blockSize: 16, ivLength: 16 },
} as const satisfies Record<string, CipherProperties>;

/** Authenticated ciphers with associated data. */
export const aeads = {
  'aes-gcm': { keyLengths: [16, 24, 32], nonceLengths: [12, 12], tagLengths: [4, 8, 12, 13, 14, 15, 16] },
  'aes-ccm': { keyLengths: [16, 24, 32], nonceLengths: [7, 13], tagLengths: [4, 6, 8, 10, 12, 14, 16] },
  'chacha20-poly1305': { keyLengths: [32], nonceLengths: [12, 12], tagLengths: [16] },
} as const satisfies Record<string, AeadProperties>;

/** Hash functions; each is also a MAC, as HMAC (RFC 2104), under the name `hmac-…`. */
export const hashes = {
  'sha-1': { digestLength: 20, blockSize: 64 },
  'sha-224': { digestLength: 28, blockSize: 64 },
  'sha-256': { digestLength: 32, blockSize: 64 },
  'sha-384': { digestLength: 48, blockSize: 128 },
  'sha-512': { digestLength: 64, blockSize: 128 },
} as const satisfies Record<string, HashProperties>;

export type CipherProperties = {
  readonly keyLengths: readonly number[];
  /** Data lengths are multiples of it. */
  readonly blockSize: number;
  readonly ivLength: number;
};
export type AeadProperties = {
  readonly keyLengths: readonly number[];
  /** Shortest and longest nonce. */
  readonly nonceLengths: readonly [number, number];
  readonly tagLengths: readonly number[];
};
export type HashProperties = { readonly digestLength: number; readonly blockSize: number };

export type CipherName = keyof typeof ciphers;
export type AeadName = keyof typeof aeads;
export type HashName = keyof typeof hashes;
export type MacName = `hmac-${HashName}`;
export type AlgorithmName = CipherName | AeadName | HashName | MacName;
