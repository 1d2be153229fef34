/** A request on the control queue (5.9.7.2): its header and keys, in memory of its own, read once. */
import type { Segments } from '@skytale/virtio';
import { ShortBytes } from '../short-bytes.ts';
import { copyShort } from './copy-short.ts';
import {
  type Offer,
  planAead,
  planAkcipher,
  planChain,
  planCipher,
  planHash,
  planMac,
  type SessionPlan,
} from './session-plan.ts';
import {
  aeadSession,
  akcipherSession,
  chainSession,
  cipherSession,
  control,
  destroySession,
  hashSession,
  legacyControlFields,
  macSession,
  maxControlLength,
  opcode,
  type ServiceNumber,
  service,
  sessionOperation,
  status,
  symOp,
  symSession,
} from './wire.ts';

/** Limits of the lengths of keys, in bytes. */
export type KeyLimits = {
  readonly maxCipherKeyLength: number;
  readonly maxAuthKeyLength: number;
  readonly maxAkcipherKeyLength: number;
};

/** Room for all keys of one session, of a service or of any. */
export function roomForKeys(limits: KeyLimits, of?: ServiceNumber): ShortBytes {
  const { maxCipherKeyLength, maxAuthKeyLength, maxAkcipherKeyLength } = limits;
  const symmetric = maxCipherKeyLength + maxAuthKeyLength;
  if (of !== undefined && of !== service.AKCIPHER) return new ShortBytes(symmetric);
  return new ShortBytes(Math.max(symmetric, maxAkcipherKeyLength));
}

/** Wipes `keys` when `made` settles, or now if it is no promise. */
export function wipeAfter(made: unknown, keys: Uint8Array): void {
  const wipe = (): void => {
    keys.fill(0);
  };
  if (made instanceof Promise) made.then(wipe, wipe);
  else wipe();
}

const { CREATE, DESTROY, AKCIPHER_CREATE, AKCIPHER_DESTROY } = sessionOperation;
const create = {
  cipher: opcode(service.CIPHER, CREATE),
  hash: opcode(service.HASH, CREATE),
  mac: opcode(service.MAC, CREATE),
  aead: opcode(service.AEAD, CREATE),
  akcipher: opcode(service.AKCIPHER, AKCIPHER_CREATE),
} as const;
/** The opcodes that destroy a session, and the service that it is of. */
const destroy: ReadonlyMap<number, number> = new Map(
  [service.CIPHER, service.HASH, service.MAC, service.AEAD]
    .map((number): [number, number] => [opcode(number, DESTROY), number])
    .concat([[opcode(service.AKCIPHER, AKCIPHER_DESTROY), service.AKCIPHER]]),
);

export class ControlRequest {
  opcode = 0;
  readonly #limits: KeyLimits;
  readonly #header = new ShortBytes(maxControlLength);
  readonly #view = this.#header.view;
  #keys: ShortBytes;
  #keysUsed = 0;
  #readable: Segments | undefined;
  #read = 0;
  #isRevision1 = false;

  constructor(limits: KeyLimits) {
    this.#limits = limits;
    this.#keys = roomForKeys(limits);
  }

  /** Reads the header. @returns false if the chain has none */
  begin(readable: Segments, isRevision1: boolean): boolean {
    this.#readable = readable;
    this.#isRevision1 = isRevision1;
    const available = readable.byteLength;
    if (available < control.fields) return false;
    copyShort(readable, 0, Math.min(available, maxControlLength), this.#header);
    this.opcode = this.#view.getUint32(control.opcode, true);
    return true;
  }

  /** The service of the session that is to be destroyed; undefined if the request is another. */
  get destroyedService(): number | undefined {
    return destroy.get(this.opcode);
  }

  /** The halves of the id of the session to be destroyed; undefined if the chain is too short for them. */
  get sessionId(): [low: number, high: number] | undefined {
    if (!this.#endHeader(destroySession.length)) return undefined;
    return [this.#field(destroySession.sessionId), this.#field(destroySession.sessionId + 4)];
  }

  /** What session is to be created, or the status that says why it cannot be. Its keys are valid until `end` wipes them. */
  plan(offer: Offer): SessionPlan | number {
    switch (this.opcode) {
      case create.cipher:
        return this.#planSym(offer);
      case create.hash:
        return this.#planHash(offer);
      case create.mac:
        return this.#planMac(offer);
      case create.aead:
        return this.#planAead(offer);
      case create.akcipher:
        return this.#planAkcipher(offer);
      default:
        return status.NOTSUPP;
    }
  }

  /** Wipes the keys: now, or when `made` settles, an engine's that may not have copied them yet. */
  end(made: unknown): void {
    const keys = this.#keys;
    if (made instanceof Promise) {
      this.#keys = roomForKeys(this.#limits);
      wipeAfter(made, keys.bytes);
    } else if (this.#keysUsed > 0) {
      keys.bytes.fill(0, 0, this.#keysUsed);
    }
    this.#keysUsed = 0;
    this.#readable = undefined;
  }

  #planSym(offer: Offer): SessionPlan | number {
    if (!this.#endHeader(symSession.length)) return status.ERR;
    const opType = this.#field(symSession.opType);
    if (opType === symOp.CIPHER) return this.#planCipher(offer, 0);
    if (opType !== symOp.ALGORITHM_CHAINING) return status.NOTSUPP;
    const cipher = this.#planCipher(offer, chainSession.cipher);
    if (typeof cipher === 'number') return cipher;
    // Of a plain hash there is no such field: what stands there is padding.
    const mode = this.#field(chainSession.hashMode);
    const authKeyLength = mode === 1 ? 0 : this.#field(chainSession.hash.authKeyLength);
    const authKey = this.#takeKey(authKeyLength, this.#limits.maxAuthKeyLength);
    if (authKey === undefined) return status.ERR;
    return planChain(offer, cipher, {
      order: this.#field(chainSession.order),
      hashMode: mode,
      algo: this.#field(chainSession.hash.algo),
      resultLength: this.#field(chainSession.hash.resultLength),
      authKey,
    });
  }

  #planCipher(offer: Offer, at: number): ReturnType<typeof planCipher> {
    const keyLength = this.#field(at + cipherSession.keyLength);
    const key = this.#takeKey(keyLength, this.#limits.maxCipherKeyLength);
    if (key === undefined) return status.ERR;
    return planCipher(offer, this.#field(at + cipherSession.algo), this.#field(at + cipherSession.op), key);
  }

  #planHash(offer: Offer): SessionPlan | number {
    if (!this.#endHeader(hashSession.length)) return status.ERR;
    return planHash(offer, this.#field(hashSession.algo), this.#field(hashSession.resultLength));
  }

  #planMac(offer: Offer): SessionPlan | number {
    if (!this.#endHeader(macSession.length)) return status.ERR;
    const key = this.#takeKey(this.#field(macSession.authKeyLength), this.#limits.maxAuthKeyLength);
    if (key === undefined) return status.ERR;
    return planMac(offer, this.#field(macSession.algo), this.#field(macSession.resultLength), key);
  }

  #planAead(offer: Offer): SessionPlan | number {
    if (!this.#endHeader(aeadSession.length)) return status.ERR;
    const key = this.#takeKey(this.#field(aeadSession.keyLength), this.#limits.maxCipherKeyLength);
    if (key === undefined) return status.ERR;
    const tagLength = this.#field(aeadSession.tagLength);
    return planAead(offer, this.#field(aeadSession.algo), this.#field(aeadSession.op), tagLength, key);
  }

  #planAkcipher(offer: Offer): SessionPlan | number {
    if (!this.#endHeader(akcipherSession.length)) return status.ERR;
    const key = this.#takeKey(this.#field(akcipherSession.keyLength), this.#limits.maxAkcipherKeyLength);
    if (key === undefined) return status.ERR;
    const { algo, keyType, parameters } = akcipherSession;
    const both = [this.#field(parameters), this.#field(parameters + 4)] as const;
    return planAkcipher(offer, this.#field(algo), this.#field(keyType), both, key);
  }

  /** The fixed-length fields have `length` bytes, or are padded. @returns false if the chain is shorter */
  #endHeader(length: number): boolean {
    this.#read = control.fields + (this.#isRevision1 ? length : legacyControlFields);
    return this.#read <= this.#readable!.byteLength;
  }

  #field(offset: number): number {
    return this.#view.getUint32(control.fields + offset, true);
  }

  #takeKey(length: number, limit: number): Uint8Array | undefined {
    const readable = this.#readable!;
    if (length > limit || this.#read + length > readable.byteLength) return undefined;
    const key = this.#keys.bytes.subarray(this.#keysUsed, this.#keysUsed + length);
    copyShort(readable, this.#read, length, this.#keys, this.#keysUsed);
    this.#read += length;
    this.#keysUsed += length;
    return key;
  }
}
