/** Section 4.1 of docs/virtio-cryptodev.md: the numbers of `cryptodev.h`, the algorithms behind them, and the names Linux has for those. */
import {
  type AeadName,
  type AlgorithmName,
  aeads,
  type CipherName,
  type CipherProperties,
  ciphers,
  type HashName,
  hashes,
  type MacName,
} from './algorithms.ts';

/** The cipher that changes nothing: cryptodev has it to measure the way there and back. */
const nullProperties: CipherProperties = { keyLengths: [0], blockSize: 1, ivLength: 0 };

export type PlainCipherEntry = {
  readonly kind: 'cipher';
  readonly name: CipherName | 'null';
  readonly linuxName: string;
  /** In bytes. */
  readonly keyLengths: readonly number[];
  readonly properties: CipherProperties;
};
export type AeadEntry = {
  readonly kind: 'aead';
  readonly name: AeadName;
  readonly linuxName: string;
  readonly keyLengths: readonly number[];
};
export type CipherEntry = PlainCipherEntry | AeadEntry;

function cipher(name: CipherName, linuxName: string): PlainCipherEntry {
  return plain(name, linuxName, ciphers[name]);
}
function plain(
  name: PlainCipherEntry['name'],
  linuxName: string,
  properties: CipherProperties,
): PlainCipherEntry {
  return { kind: 'cipher', name, linuxName, keyLengths: properties.keyLengths, properties };
}
function aead(name: AeadName, linuxName: string): AeadEntry {
  return { kind: 'aead', name, linuxName, keyLengths: aeads[name].keyLengths };
}

/** Field `cipher`. */
export const cipherNumbers: ReadonlyMap<number, CipherEntry> = new Map<number, CipherEntry>([
  [2, cipher('3des-cbc', 'cbc(des3_ede)')],
  [11, cipher('aes-cbc', 'cbc(aes)')],
  [16, plain('null', 'ecb(cipher_null)', nullProperties)],
  [21, cipher('aes-ctr', 'ctr(aes)')],
  [22, cipher('aes-xts', 'xts(aes)')],
  [23, cipher('aes-ecb', 'ecb(aes)')],
  [24, cipher('aes-cfb', 'cfb(aes)')],
  [25, cipher('aes-ofb', 'ofb(aes)')],
  [50, aead('aes-gcm', 'gcm(aes)')],
  [51, aead('aes-ccm', 'ccm(aes)')],
  [101, cipher('camellia-cbc', 'cbc(camellia)')],
  [112, aead('chacha20-poly1305', 'rfc7539(chacha20,poly1305)')],
]);

export type MacEntry = {
  readonly hash: HashName;
  /** Undefined for a hash without key. */
  readonly mac?: MacName;
  readonly linuxName: string;
  /** In bytes. */
  readonly digestLength: number;
};

function hash(name: HashName, linuxName: string): MacEntry {
  return { hash: name, linuxName, digestLength: hashes[name].digestLength };
}
function hmac(name: HashName, linuxName: string): MacEntry {
  return { ...hash(name, `hmac(${linuxName})`), mac: `hmac-${name}` };
}

/** Field `mac`. */
export const macNumbers: ReadonlyMap<number, MacEntry> = new Map<number, MacEntry>([
  [6, hmac('md5', 'md5')],
  [7, hmac('sha-1', 'sha1')],
  [8, hmac('ripemd-160', 'rmd160')],
  [13, hash('md5', 'md5')],
  [14, hash('sha-1', 'sha1')],
  [18, hmac('sha-256', 'sha256')],
  [19, hmac('sha-384', 'sha384')],
  [20, hmac('sha-512', 'sha512')],
  [102, hash('ripemd-160', 'rmd160')],
  [103, hash('sha-224', 'sha224')],
  [104, hash('sha-256', 'sha256')],
  [105, hash('sha-384', 'sha384')],
  [106, hash('sha-512', 'sha512')],
  [107, hmac('sha-224', 'sha224')],
]);

const numberOfAlgorithm = new Map<AlgorithmName, number>([
  ...[...cipherNumbers].flatMap(([number, { name }]): [AlgorithmName, number][] =>
    name === 'null' ? [] : [[name, number]],
  ),
  ...[...macNumbers].map(([number, entry]): [AlgorithmName, number] => [entry.mac ?? entry.hash, number]),
]);

/** The number of an algorithm in its field, or undefined if the device model has none for it. */
export function numberOf(algorithm: AlgorithmName): number | undefined {
  return numberOfAlgorithm.get(algorithm);
}

/** Longest tag of an AEAD in bytes. */
export function longestTag(aead: AeadName): number {
  return aeads[aead].tagLengths.at(-1)!;
}
