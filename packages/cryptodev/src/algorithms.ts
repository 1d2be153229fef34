/**
 * The algorithms, by the names that this package uses for them, with their sizes in bytes. Everything else
 * that depends on an algorithm (cryptodev numbers, OpenSSL names) is a table of whoever needs it.
 *
 * Those marked legacy are here for programs written for `/dev/crypto` long ago. Nothing new should use them.
 */

/** Ciphers without authentication. */
export const ciphers = {
  'aes-cbc': { keyLengths: [16, 24, 32], blockSize: 16, ivLength: 16 },
  'aes-ctr': { keyLengths: [16, 24, 32], blockSize: 1, ivLength: 16 },
  'aes-ecb': { keyLengths: [16, 24, 32], blockSize: 16, ivLength: 0 },
  /** Two keys in one; data of whole blocks only, as `/dev/crypto` has it, and no more than 2^20 (IEEE 1619). */
  'aes-xts': { keyLengths: [32, 64], blockSize: 16, ivLength: 16, maxLength: 2 ** 24 },
  /** CFB with whole blocks of feedback (CFB128). */
  'aes-cfb': { keyLengths: [16, 24, 32], blockSize: 1, ivLength: 16 },
  'aes-ofb': { keyLengths: [16, 24, 32], blockSize: 1, ivLength: 16 },
  'camellia-cbc': { keyLengths: [16, 24, 32], blockSize: 16, ivLength: 16 },
  '3des-cbc': { keyLengths: [24], blockSize: 8, ivLength: 8, legacy: true },
} as const satisfies Record<string, CipherProperties>;

/** Authenticated ciphers with associated data. */
export const aeads = {
  'aes-gcm': { keyLengths: [16, 24, 32], nonceLengths: [12, 12], tagLengths: [4, 8, 12, 13, 14, 15, 16] },
  /** The longer the nonce the shorter the data: below 2^(8 (15 - nonce length)) bytes (SP 800-38C). */
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
  md5: { digestLength: 16, blockSize: 64, legacy: true },
  'ripemd-160': { digestLength: 20, blockSize: 64, legacy: true },
} as const satisfies Record<string, HashProperties>;

export type CipherProperties = {
  readonly keyLengths: readonly number[];
  /** Data lengths are multiples of it. */
  readonly blockSize: number;
  readonly ivLength: number;
  /** Most bytes in one message, where the algorithm limits it. */
  readonly maxLength?: number;
  readonly legacy?: boolean;
};
export type AeadProperties = {
  readonly keyLengths: readonly number[];
  /** Shortest and longest nonce. */
  readonly nonceLengths: readonly [number, number];
  readonly tagLengths: readonly number[];
};
export type HashProperties = {
  readonly digestLength: number;
  readonly blockSize: number;
  readonly legacy?: boolean;
};

export type CipherName = keyof typeof ciphers;
export type AeadName = keyof typeof aeads;
export type HashName = keyof typeof hashes;
export type MacName = `hmac-${HashName}`;
export type AlgorithmName = CipherName | AeadName | HashName | MacName;

/** All names there are, in the order of the tables. */
export const algorithmNames: readonly AlgorithmName[] = [
  ...(Object.keys(ciphers) as CipherName[]),
  ...(Object.keys(aeads) as AeadName[]),
  ...(Object.keys(hashes) as HashName[]),
  ...(Object.keys(hashes) as HashName[]).map((hash): MacName => `hmac-${hash}`),
];

/** The hash function inside a MAC: `sha-256` of `hmac-sha-256`. */
export function hashOfMac(mac: MacName): HashName {
  return mac.slice('hmac-'.length) as HashName;
}
