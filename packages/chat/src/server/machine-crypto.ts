import { randomBytes, verify } from 'node:crypto';

/** Random bytes that nobody can guess; in memory of their own. */
export type Random = (count: number) => Uint8Array;

/** Whether `signature` is that of `statement` with an Ed25519 public key of 32 bytes (RFC 8032). */
export type Verify = (
  statement: Uint8Array,
  publicKey: Uint8Array,
  signature: Uint8Array,
) => Promise<boolean>;

/** What stands before the 32 bytes of an Ed25519 public key in its SubjectPublicKeyInfo (RFC 8410, section 4). */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

/** The machine's randomness. Node cuts small buffers from a shared one, which each of them would keep alive: a copy is not. */
export const machineRandom: Random = (count) => new Uint8Array(randomBytes(count));

/**
 * Ed25519 in the thread pool: many who join at once do not hold up those who talk. The key goes there as bytes: as an
 * object it would keep native memory until it is collected, which nothing hastens.
 */
export const machineVerify: Verify = (statement, publicKey, signature) =>
  new Promise((resolve, reject) => {
    const key = Buffer.concat([SPKI_PREFIX, publicKey]);
    verify(null, statement, { key, format: 'der', type: 'spki' }, signature, (error, valid) =>
      error ? reject(error) : resolve(valid),
    );
  });
