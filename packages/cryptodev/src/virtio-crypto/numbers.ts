/** The standard's numbers for algorithms (5.9.4), and the names that this package has for them. */
import type { AeadName, AlgorithmName, CipherName, HashName, MacName } from '../algorithms.ts';
import type { AsymmetricName, CurveName, RsaHash } from '../asymmetric.ts';

/** VIRTIO_CRYPTO_CIPHER_…. Those that no engine has (ARC4, single DES, KASUMI …) are left out. */
export const cipherNumbers: ReadonlyMap<number, CipherName> = new Map<number, CipherName>([
  [2, 'aes-ecb'],
  [3, 'aes-cbc'],
  [4, 'aes-ctr'],
  [8, '3des-cbc'],
  [13, 'aes-xts'],
]);

/** VIRTIO_CRYPTO_HASH_…. */
export const hashNumbers: ReadonlyMap<number, HashName> = new Map<number, HashName>([
  [1, 'md5'],
  [2, 'sha-1'],
  [3, 'sha-224'],
  [4, 'sha-256'],
  [5, 'sha-384'],
  [6, 'sha-512'],
]);

/** VIRTIO_CRYPTO_MAC_HMAC_…: the numbers of the hashes inside. */
export const macNumbers: ReadonlyMap<number, MacName> = new Map(
  [...hashNumbers].map(([number, hash]): [number, MacName] => [number, `hmac-${hash}`]),
);

/** VIRTIO_CRYPTO_AEAD_…. */
export const aeadNumbers: ReadonlyMap<number, AeadName> = new Map<number, AeadName>([
  [1, 'aes-gcm'],
  [2, 'aes-ccm'],
  [3, 'chacha20-poly1305'],
]);

/** VIRTIO_CRYPTO_AKCIPHER_…. */
export const akcipherNumbers: ReadonlyMap<number, AsymmetricName> = new Map<number, AsymmetricName>([
  [1, 'rsa'],
  [2, 'ecdsa'],
]);

/** VIRTIO_CRYPTO_RSA_…: the hash whose digest is signed. `none` signs what it is given as it is. */
export const rsaHashNumbers: ReadonlyMap<number, RsaHash> = new Map<number, RsaHash>([
  [0, 'none'],
  [4, 'md5'],
  [5, 'sha-1'],
  [6, 'sha-256'],
  [7, 'sha-384'],
  [8, 'sha-512'],
  [9, 'sha-224'],
]);

/** VIRTIO_CRYPTO_CURVE_…. */
export const curveNumbers: ReadonlyMap<number, CurveName> = new Map<number, CurveName>([
  [1, 'p-192'],
  [2, 'p-224'],
  [3, 'p-256'],
  [4, 'p-384'],
  [5, 'p-521'],
]);

const numberOfAlgorithm = new Map<AlgorithmName, number>(
  [cipherNumbers, hashNumbers, macNumbers, aeadNumbers].flatMap((table) =>
    [...table].map(([number, name]): [AlgorithmName, number] => [name, number]),
  ),
);

/** The number of an algorithm in its service, or undefined if the standard has none for it. */
export function numberOf(algorithm: AlgorithmName): number | undefined {
  return numberOfAlgorithm.get(algorithm);
}

/** The number that stands for `value` in a table. @throws {RangeError} if none does */
export function numberIn<T>(table: ReadonlyMap<number, T>, value: T): number {
  for (const [number, entry] of table) if (entry === value) return number;
  throw new RangeError(`there is no number for ${String(value)}`);
}
