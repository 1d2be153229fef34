/** The sessions of the driver. A session of the device's has one direction: those that go both ways are two. */
import type { RequestQueue } from '@skytale/virtio';
import { hashes, hashOfMac } from '../algorithms.ts';
import type { Bytes, DigestOptions, Direction } from '../crypto-device.ts';
import { CryptoError } from '../crypto-error.ts';
import type { PortCipher, PortCipherOptions, PortDigest } from '../session-port.ts';
import {
  type AeadRequest,
  type CipherRequest,
  type DigestSpec,
  direct,
  encodeAeadData,
  encodeAeadSession,
  encodeCipherData,
  encodeCipherSession,
  encodeDigestData,
  encodeDigestSession,
} from './encode.ts';
import { InFlight } from './in-flight.ts';
import { numberOf } from './numbers.ts';
import type { RequestPort } from './request-port.ts';
import { direction as directions, type ServiceNumber, service } from './wire.ts';

const none = new Uint8Array(0);
/** The most that a digest session keeps: the standard has no hashes in parts, so all go in one request. */
const maxPendingBytes = 2 ** 26;

type Pair = Record<Direction, bigint>;

/** A header of a cipher operation, and the lengths that are in it. */
type SentHeader = {
  readonly dataLength: number;
  readonly ivLength: number;
  readonly aadLength: number;
  readonly length: number;
  readonly header: Uint8Array;
};

/** Two sessions, of which none is left if one cannot be. */
async function createPair(
  requests: RequestPort,
  kind: ServiceNumber,
  header: (op: number) => Uint8Array,
  key: Uint8Array,
): Promise<Pair> {
  const [encrypt, decrypt] = await Promise.allSettled([
    requests.createSession(header(directions.ENCRYPT), [key]),
    requests.createSession(header(directions.DECRYPT), [key]),
  ]);
  if (encrypt.status === 'fulfilled' && decrypt.status === 'fulfilled') {
    return { encrypt: encrypt.value, decrypt: decrypt.value };
  }
  for (const made of [encrypt, decrypt]) {
    if (made.status === 'fulfilled') await requests.destroySession(kind, made.value);
  }
  throw encrypt.status === 'rejected' ? encrypt.reason : (decrypt as PromiseRejectedResult).reason;
}

export class CipherOnDevice implements PortCipher {
  readonly #requests: RequestPort;
  readonly #queue: RequestQueue;
  readonly #inFlight = new InFlight();
  readonly #pair: Pair;
  /** Undefined of a cipher that is no AEAD. */
  readonly #tagLength: number | undefined;
  /** The last header of each direction, and what it says. */
  readonly #last: Partial<Record<Direction, SentHeader>> = {};

  private constructor(requests: RequestPort, pair: Pair, tagLength: number | undefined) {
    this.#requests = requests;
    this.#queue = requests.takeQueue();
    this.#pair = pair;
    this.#tagLength = tagLength;
  }

  static async create(requests: RequestPort, options: PortCipherOptions): Promise<CipherOnDevice> {
    const { isRevision1 } = requests;
    const { key } = options;
    const keyLength = key.length;
    if ('cipher' in options) {
      const algo = numberOf(options.cipher)!;
      const header = (op: number) => encodeCipherSession({ algo, op, keyLength }, isRevision1);
      const pair = await createPair(requests, service.CIPHER, header, key);
      return new CipherOnDevice(requests, pair, undefined);
    }
    const { aead, tagLength } = options;
    const algo = numberOf(aead)!;
    const header = (op: number) => encodeAeadSession({ algo, op, keyLength, tagLength }, isRevision1);
    const pair = await createPair(requests, service.AEAD, header, key);
    return new CipherOnDevice(requests, pair, tagLength);
  }

  async crypt(
    direction: Direction,
    data: Uint8Array,
    iv: Uint8Array,
    associatedData: Uint8Array,
    length: number,
    output: Uint8Array | undefined,
  ): Promise<Bytes | number> {
    this.#inFlight.begin();
    try {
      const header = this.#header(direction, data, iv, associatedData, length);
      const parts = [header, iv, data];
      if (associatedData.length > 0) parts.push(associatedData);
      return await this.#requests.operateInto(this.#queue, parts, length, output);
    } finally {
      this.#inFlight.end();
    }
  }

  async destroy(): Promise<void> {
    await this.#inFlight.ended();
    const kind = this.#tagLength === undefined ? service.CIPHER : service.AEAD;
    const { encrypt, decrypt } = this.#pair;
    const requests = this.#requests;
    await Promise.all([requests.destroySession(kind, encrypt), requests.destroySession(kind, decrypt)]);
  }

  /** The header says which lengths there are and no more: it is that of the operation before if they are the same. */
  #header(
    direction: Direction,
    data: Uint8Array,
    iv: Uint8Array,
    associatedData: Uint8Array,
    length: number,
  ): Uint8Array {
    const last = this.#last[direction];
    const isSame =
      last?.dataLength === data.length &&
      last.ivLength === iv.length &&
      last.aadLength === associatedData.length &&
      last.length === length;
    if (isSame) return last.header;
    const session = { id: this.#pair[direction], operation: direct[direction] };
    const tagLength = this.#tagLength;
    const header =
      tagLength === undefined
        ? encodeCipherData(session, cipherRequest(data, iv, length))
        : encodeAeadData(
            session,
            aeadRequest(data, iv, associatedData, tagLength, length),
            this.#requests.isRevision1,
          );
    this.#last[direction] = {
      dataLength: data.length,
      ivLength: iv.length,
      aadLength: associatedData.length,
      length,
      header,
    };
    return header;
  }
}

/** @param length of the result, in bytes */
export function cipherRequest(data: Uint8Array, iv: Uint8Array, length: number): CipherRequest {
  return { ivLength: iv.length, sourceLength: data.length, destinationLength: length };
}

export function aeadRequest(
  data: Uint8Array,
  nonce: Uint8Array,
  associatedData: Uint8Array,
  tagLength: number,
  length: number,
): AeadRequest {
  return {
    ivLength: nonce.length,
    aadLength: associatedData.length,
    sourceLength: data.length,
    destinationLength: length,
    tagLength,
  };
}

/** A session of the device's that several of ours use: copies differ in their data only, which is here. */
class SharedSession {
  readonly id: bigint;
  readonly kind: typeof service.HASH | typeof service.MAC;
  readonly resultLength: number;
  #users = 1;

  constructor(id: bigint, kind: SharedSession['kind'], resultLength: number) {
    this.id = id;
    this.kind = kind;
    this.resultLength = resultLength;
  }

  share(): this {
    this.#users += 1;
    return this;
  }

  async release(requests: RequestPort): Promise<void> {
    this.#users -= 1;
    if (this.#users === 0) await requests.destroySession(this.kind, this.id);
  }
}

export class DigestOnDevice implements PortDigest {
  readonly #requests: RequestPort;
  readonly #queue: RequestQueue;
  readonly #inFlight = new InFlight();
  readonly #shared: SharedSession;
  /** Of the message so far; each is a copy. */
  #parts: Uint8Array[] = [];
  #length = 0;

  private constructor(requests: RequestPort, queue: RequestQueue, shared: SharedSession) {
    this.#requests = requests;
    this.#queue = queue;
    this.#shared = shared;
  }

  static async create(requests: RequestPort, options: DigestOptions): Promise<DigestOnDevice> {
    const spec = digestSpec(options);
    const header = encodeDigestSession(spec, requests.isRevision1);
    const id = await requests.createSession(header, ['mac' in options ? options.key : none]);
    const kind = 'mac' in options ? service.MAC : service.HASH;
    const shared = new SharedSession(id, kind, spec.resultLength);
    return new DigestOnDevice(requests, requests.takeQueue(), shared);
  }

  async update(data: Uint8Array): Promise<void> {
    this.#checkLength(data);
    if (data.length === 0) return;
    this.#parts.push(Uint8Array.from(data));
    this.#length += data.length;
  }

  async digest(data: Uint8Array): Promise<Bytes> {
    this.#checkLength(data);
    const { id, kind, resultLength } = this.#shared;
    const request = { sourceLength: this.#length + data.length, resultLength };
    const parts = this.#parts;
    this.#forget();
    this.#inFlight.begin();
    try {
      const header = encodeDigestData(kind, { id }, request, this.#requests.isRevision1);
      return await this.#requests.operate(this.#queue, [header, ...parts, data], resultLength);
    } finally {
      this.#inFlight.end();
      wipe(parts);
    }
  }

  async copy(): Promise<PortDigest> {
    const copy = new DigestOnDevice(this.#requests, this.#queue, this.#shared.share());
    copy.#parts = this.#parts.map((part) => part.slice());
    copy.#length = this.#length;
    return copy;
  }

  async destroy(): Promise<void> {
    await this.#inFlight.ended();
    wipe(this.#parts);
    this.#forget();
    await this.#shared.release(this.#requests);
  }

  #forget(): void {
    this.#parts = [];
    this.#length = 0;
  }

  #checkLength(data: Uint8Array): void {
    const length = this.#length + data.length;
    if (length <= maxPendingBytes) return;
    throw new CryptoError(
      'CRYPTO_INVALID_DATA_LENGTH',
      `a message of ${length} bytes in parts; the driver keeps no more than ${maxPendingBytes}`,
    );
  }
}

function wipe(parts: readonly Uint8Array[]): void {
  for (const part of parts) part.fill(0);
}

export function digestSpec(options: DigestOptions): DigestSpec {
  if (!('mac' in options)) {
    return { algo: numberOf(options.hash)!, resultLength: hashes[options.hash].digestLength };
  }
  const resultLength = hashes[hashOfMac(options.mac)].digestLength;
  return { algo: numberOf(options.mac)!, resultLength, authKeyLength: options.key.length };
}
