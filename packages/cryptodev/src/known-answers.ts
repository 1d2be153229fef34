/** The known answers in vectors/, decoded. Where each comes from stands beside it, as `source`. */
import type { AeadName, CipherName, HashName, MacName } from './algorithms.ts';
import aeads from './vectors/aeads.json' with { type: 'json' };
import ciphers from './vectors/ciphers.json' with { type: 'json' };
import digests from './vectors/digests.json' with { type: 'json' };

type Bytes = Uint8Array<ArrayBuffer>;

export const cipherVectors = ciphers.tests.map((test) => ({
  source: test.source,
  algorithm: test.algorithm as CipherName,
  key: hex(test.key),
  iv: hex(test.iv),
  plaintext: hex(test.plaintext),
  ciphertext: hex(test.ciphertext),
}));

export const aeadVectors = aeads.tests.map((test) => ({
  source: test.source,
  algorithm: test.algorithm as AeadName,
  key: hex(test.key),
  nonce: hex(test.nonce),
  associatedData: hex(test.associatedData),
  plaintext: hex(test.plaintext),
  /** With the tag behind it. */
  sealed: hex(test.ciphertext + test.tag),
  tagLength: test.tag.length / 2,
  /** If not, the tag was changed. */
  valid: test.valid,
}));

export const digestVectors = (digests.tests as DigestTest[]).map((test) => ({
  source: test.source,
  algorithm: test.algorithm,
  options:
    test.key === undefined
      ? { hash: test.algorithm as HashName }
      : { mac: test.algorithm as MacName, key: hex(test.key) },
  data: hex(test.data.repeat(test.repeat ?? 1)),
  digest: hex(test.digest),
}));

type DigestTest = {
  readonly source: string;
  readonly algorithm: HashName | MacName;
  readonly key?: string;
  readonly data: string;
  readonly repeat?: number;
  readonly digest: string;
};

function hex(digits: string): Bytes {
  return Uint8Array.fromHex(digits);
}
