/**
 * What a session is to be, whichever way it was asked for: by the control queue, by a request in stateless
 * mode, or by a VMM that keeps the control queue to itself. Here numbers become names, and all that can be
 * wrong with them is found.
 */
import type { AeadName, CipherName, HashName, MacName } from '../algorithms.ts';
import { aeads, ciphers, hashes, hashOfMac } from '../algorithms.ts';
import type { AsymmetricKeyOptions, AsymmetricName } from '../asymmetric.ts';
import type { Direction } from '../crypto-device.ts';
import type { Engine } from '../engine.ts';
import { copyOfKey } from '../engines/keys.ts';
import {
  aeadNumbers,
  akcipherNumbers,
  cipherNumbers,
  curveNumbers,
  hashNumbers,
  macNumbers,
  rsaHashNumbers,
} from './numbers.ts';
import { chainOrder, direction, hashMode, keyType, rsaPadding, status } from './wire.ts';

export type CipherPlan = {
  readonly kind: 'cipher';
  readonly cipher: CipherName;
  readonly direction: Direction;
  readonly key: Uint8Array;
};
export type DigestPlan = {
  readonly kind: 'hash' | 'mac';
  readonly hash: HashName;
  /** Undefined for a hash without key. */
  readonly mac?: MacName;
  readonly key: Uint8Array;
  /** Of the result, in bytes; a shorter one than the digest is the start of it. */
  readonly resultLength: number;
};
export type ChainPlan = {
  readonly kind: 'chain';
  readonly cipher: CipherPlan;
  readonly digest: DigestPlan;
  readonly isHashFirst: boolean;
};
export type AeadPlan = {
  readonly kind: 'aead';
  readonly aead: AeadName;
  readonly direction: Direction;
  readonly key: Uint8Array;
  readonly tagLength: number;
};
export type AkcipherPlan = { readonly kind: 'akcipher'; readonly options: AsymmetricKeyOptions };
export type SessionPlan = CipherPlan | DigestPlan | ChainPlan | AeadPlan | AkcipherPlan;

/** A plan whose keys are its own; `wipePlan` ends them. */
export function copyOfPlan(plan: SessionPlan): SessionPlan {
  switch (plan.kind) {
    case 'chain':
      return { ...plan, cipher: withOwnKey(plan.cipher), digest: withOwnKey(plan.digest) };
    case 'akcipher':
      return { ...plan, options: withOwnKey(plan.options) };
    default:
      return withOwnKey(plan);
  }
}

export function wipePlan(plan: SessionPlan): void {
  switch (plan.kind) {
    case 'chain':
      plan.cipher.key.fill(0);
      plan.digest.key.fill(0);
      break;
    case 'akcipher':
      plan.options.key.fill(0);
      break;
    default:
      plan.key.fill(0);
  }
}

const withOwnKey = <T extends { readonly key: Uint8Array }>(part: T): T => ({
  ...part,
  key: copyOfKey(part.key),
});

/** The algorithms of an engine, by their numbers. */
export type Offer = {
  readonly ciphers: ReadonlyMap<number, CipherName>;
  readonly hashes: ReadonlyMap<number, HashName>;
  readonly macs: ReadonlyMap<number, MacName>;
  readonly aeads: ReadonlyMap<number, AeadName>;
  readonly akciphers: ReadonlyMap<number, AsymmetricName>;
};

export function offerOf(engine: Engine): Offer {
  return {
    ciphers: filtered(cipherNumbers, (name) => engine.supports(name)),
    hashes: filtered(hashNumbers, (name) => engine.supports(name)),
    macs: filtered(macNumbers, (name) => engine.supports(name)),
    aeads: filtered(aeadNumbers, (name) => engine.supports(name)),
    akciphers: filtered(akcipherNumbers, (name) => engine.asymmetric?.supports(name) ?? false),
  };
}

// Each of these returns the status that says what is wrong if there is no such session.

export function planCipher(offer: Offer, algo: number, op: number, key: Uint8Array): CipherPlan | number {
  const cipher = offer.ciphers.get(algo);
  if (cipher === undefined) return status.NOTSUPP;
  const keyLengths: readonly number[] = ciphers[cipher].keyLengths;
  const direction = directionOf(op);
  if (direction === undefined || !keyLengths.includes(key.length)) return status.ERR;
  return { kind: 'cipher', cipher, direction, key };
}

export function planHash(offer: Offer, algo: number, resultLength: number): DigestPlan | number {
  const hash = offer.hashes.get(algo);
  if (hash === undefined) return status.NOTSUPP;
  const length = resultLengthOf(hash, resultLength);
  return length === undefined ? status.ERR : { kind: 'hash', hash, key: noKey, resultLength: length };
}

export function planMac(
  offer: Offer,
  algo: number,
  resultLength: number,
  key: Uint8Array,
): DigestPlan | number {
  const mac = offer.macs.get(algo);
  if (mac === undefined) return status.NOTSUPP;
  const hash = hashOfMac(mac);
  const length = resultLengthOf(hash, resultLength);
  return length === undefined ? status.ERR : { kind: 'mac', hash, mac, key, resultLength: length };
}

/** What a chain adds to its cipher. */
export type ChainFields = {
  readonly order: number;
  readonly hashMode: number;
  readonly algo: number;
  readonly resultLength: number;
  readonly authKey: Uint8Array;
};

export function planChain(offer: Offer, cipher: CipherPlan | number, chain: ChainFields): ChainPlan | number {
  if (typeof cipher === 'number') return cipher;
  const { order } = chain;
  if (order !== chainOrder.HASH_THEN_CIPHER && order !== chainOrder.CIPHER_THEN_HASH) return status.ERR;
  const digest = planChainDigest(offer, chain);
  if (typeof digest === 'number') return digest;
  return { kind: 'chain', cipher, digest, isHashFirst: order === chainOrder.HASH_THEN_CIPHER };
}

function planChainDigest(offer: Offer, chain: ChainFields): DigestPlan | number {
  const { algo, resultLength, authKey } = chain;
  switch (chain.hashMode) {
    case hashMode.PLAIN:
      return planHash(offer, algo, resultLength);
    case hashMode.AUTH:
      return planMac(offer, algo, resultLength, authKey);
    default:
      // Nested hash: the standard does not say what it is.
      return status.NOTSUPP;
  }
}

/** @param tagLength 0 for the longest */
export function planAead(
  offer: Offer,
  algo: number,
  op: number,
  tagLength: number,
  key: Uint8Array,
): AeadPlan | number {
  const aead = offer.aeads.get(algo);
  if (aead === undefined) return status.NOTSUPP;
  const { keyLengths, tagLengths }: { keyLengths: readonly number[]; tagLengths: readonly number[] } =
    aeads[aead];
  const direction = directionOf(op);
  const length = tagLength === 0 ? tagLengths.at(-1)! : tagLength;
  if (direction === undefined || !keyLengths.includes(key.length) || !tagLengths.includes(length)) {
    return status.ERR;
  }
  return { kind: 'aead', aead, direction, key, tagLength: length };
}

/** @param parameters of RSA its padding and its hash, of ECDSA its curve */
export function planAkcipher(
  offer: Offer,
  algo: number,
  typeNumber: number,
  parameters: readonly [number, number],
  key: Uint8Array,
): AkcipherPlan | number {
  const algorithm = offer.akciphers.get(algo);
  if (algorithm === undefined) return status.NOTSUPP;
  if (typeNumber !== keyType.PUBLIC && typeNumber !== keyType.PRIVATE) return status.ERR;
  const type = typeNumber === keyType.PUBLIC ? 'public' : 'private';
  const [first, second] = parameters;
  if (algorithm === 'ecdsa') {
    const curve = curveNumbers.get(first);
    return curve === undefined
      ? status.NOTSUPP
      : { kind: 'akcipher', options: { algorithm, type, key, curve } };
  }
  if (first === rsaPadding.RAW)
    return { kind: 'akcipher', options: { algorithm, type, key, padding: 'raw' } };
  const hash = rsaHashNumbers.get(second);
  if (first !== rsaPadding.PKCS1 || hash === undefined) return status.NOTSUPP;
  return { kind: 'akcipher', options: { algorithm, type, key, padding: 'pkcs1', hash } };
}

const noKey = new Uint8Array(0);

function directionOf(op: number): Direction | undefined {
  if (op === direction.ENCRYPT) return 'encrypt';
  return op === direction.DECRYPT ? 'decrypt' : undefined;
}

/** Drivers that leave the length out mean the whole digest. */
function resultLengthOf(hash: HashName, given: number): number | undefined {
  const { digestLength } = hashes[hash];
  if (given > digestLength) return undefined;
  return given === 0 ? digestLength : given;
}

function filtered<T>(table: ReadonlyMap<number, T>, has: (name: T) => boolean): ReadonlyMap<number, T> {
  return new Map([...table].filter(([, name]) => has(name)));
}
