/** The sessions of the driver. A session of the device's has one direction: those that go both ways are two. */
import type { RequestQueue } from '@skytale/virtio';
import { type AeadName, type CipherName, hashes, hashOfMac } from '../algorithms.ts';
import { checkAeadOperation, checkBytes, checkCipherOperation } from '../checks.ts';
import type {
  AeadSession,
  Bytes,
  CipherSession,
  DigestOptions,
  DigestSession,
  Direction,
} from '../crypto-device.ts';
import { CryptoError } from '../crypto-error.ts';
import { checkOutput, copiedTo } from '../device-memory.ts';
import type { DriverPort } from './driver-port.ts';
import {
  direct,
  encodeAeadData,
  encodeAeadSession,
  encodeCipherData,
  encodeCipherSession,
  encodeDigestData,
  encodeDigestSession,
} from './encode.ts';
import { numberOf } from './numbers.ts';
import { direction as directions, type ServiceNumber, service } from './wire.ts';

const none = new Uint8Array(0);
/** The most that a digest session keeps: the standard has no hashes in parts, so all go in one request. */
const maxPendingBytes = 2 ** 26;

/** What a session needs of its driver. */
export type SessionHost = {
  readonly port: DriverPort;
  /** The session is gone. */
  closed(session: DriverSession): void;
  /** A session was made from another. */
  opened(session: DriverSession): void;
};

export abstract class DriverSession implements AsyncDisposable {
  protected readonly port: DriverPort;
  protected readonly queue: RequestQueue;
  readonly #host: SessionHost;
  readonly #underWay = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  constructor(host: SessionHost, queue = host.port.takeQueue()) {
    this.#host = host;
    this.port = host.port;
    this.queue = queue;
  }

  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** What the device is to forget. */
  protected abstract release(): Promise<void>;

  /**
   * Follows an operation: the control queue may be faster than the data queues, so a session is destroyed when
   * all answers are here.
   * @throws {CryptoError} CRYPTO_CLOSED
   */
  protected async track<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw new CryptoError('CRYPTO_CLOSED', 'the session is closed');
    const promise = work();
    this.#underWay.add(promise);
    try {
      return await promise;
    } finally {
      this.#underWay.delete(promise);
    }
  }

  async #end(): Promise<void> {
    try {
      await Promise.allSettled(this.#underWay);
      await this.release();
    } finally {
      this.#host.closed(this);
    }
  }
}

type Pair = Record<Direction, bigint>;

/** Two sessions, of which none is left if one cannot be. */
async function createPair(
  port: DriverPort,
  kind: ServiceNumber,
  header: (op: number) => Uint8Array,
  key: Uint8Array,
): Promise<Pair> {
  const [encrypt, decrypt] = await Promise.allSettled([
    port.createSession(header(directions.ENCRYPT), [key]),
    port.createSession(header(directions.DECRYPT), [key]),
  ]);
  if (encrypt.status === 'fulfilled' && decrypt.status === 'fulfilled') {
    return { encrypt: encrypt.value, decrypt: decrypt.value };
  }
  for (const made of [encrypt, decrypt]) {
    if (made.status === 'fulfilled') await port.destroySession(kind, made.value);
  }
  throw encrypt.status === 'rejected' ? encrypt.reason : (decrypt as PromiseRejectedResult).reason;
}

async function destroyPair(port: DriverPort, kind: ServiceNumber, pair: Pair): Promise<void> {
  await Promise.all([port.destroySession(kind, pair.encrypt), port.destroySession(kind, pair.decrypt)]);
}

export class DriverCipherSession extends DriverSession implements CipherSession {
  readonly #cipher: CipherName;
  readonly #pair: Pair;

  private constructor(host: SessionHost, cipher: CipherName, pair: Pair) {
    super(host);
    this.#cipher = cipher;
    this.#pair = pair;
  }

  static async create(host: SessionHost, cipher: CipherName, key: Uint8Array): Promise<DriverCipherSession> {
    const { port } = host;
    const algo = numberOf(cipher)!;
    const header = (op: number) => encodeCipherSession({ algo, op, keyLength: key.length }, port.isRevision1);
    return new DriverCipherSession(host, cipher, await createPair(port, service.CIPHER, header, key));
  }

  encrypt(data: Uint8Array, iv?: Uint8Array): Promise<Bytes> {
    return this.#crypt('encrypt', data, iv);
  }

  decrypt(data: Uint8Array, iv?: Uint8Array): Promise<Bytes> {
    return this.#crypt('decrypt', data, iv);
  }

  encryptInto(data: Uint8Array, output: Uint8Array, iv?: Uint8Array): Promise<number> {
    return this.#cryptInto('encrypt', data, output, iv);
  }

  decryptInto(data: Uint8Array, output: Uint8Array, iv?: Uint8Array): Promise<number> {
    return this.#cryptInto('decrypt', data, output, iv);
  }

  protected override release(): Promise<void> {
    return destroyPair(this.port, service.CIPHER, this.#pair);
  }

  #crypt(direction: Direction, data: Uint8Array, iv?: Uint8Array): Promise<Bytes> {
    return this.track(async () => this.#send(direction, data, checkCipherOperation(this.#cipher, data, iv)));
  }

  #cryptInto(direction: Direction, data: Uint8Array, output: Uint8Array, iv?: Uint8Array): Promise<number> {
    return this.track(async () => {
      const given = checkCipherOperation(this.#cipher, data, iv);
      checkOutput(output, data.length);
      return copiedTo(output, this.#send(direction, data, given));
    });
  }

  #send(direction: Direction, data: Uint8Array, iv: Uint8Array): Promise<Bytes> {
    const header = encodeCipherData(
      { id: this.#pair[direction], operation: direct[direction] },
      { ivLength: iv.length, sourceLength: data.length, destinationLength: data.length },
    );
    return this.port.operate(this.queue, [header, iv, data], data.length);
  }
}

export class DriverAeadSession extends DriverSession implements AeadSession {
  readonly #aead: AeadName;
  readonly #tagLength: number;
  readonly #pair: Pair;

  private constructor(host: SessionHost, aead: AeadName, tagLength: number, pair: Pair) {
    super(host);
    this.#aead = aead;
    this.#tagLength = tagLength;
    this.#pair = pair;
  }

  static async create(
    host: SessionHost,
    aead: AeadName,
    key: Uint8Array,
    tagLength: number,
  ): Promise<DriverAeadSession> {
    const { port } = host;
    const algo = numberOf(aead)!;
    const header = (op: number) =>
      encodeAeadSession({ algo, op, keyLength: key.length, tagLength }, port.isRevision1);
    const pair = await createPair(port, service.AEAD, header, key);
    return new DriverAeadSession(host, aead, tagLength, pair);
  }

  encrypt(data: Uint8Array, nonce: Uint8Array, associatedData?: Uint8Array): Promise<Bytes> {
    return this.#crypt('encrypt', data, nonce, associatedData);
  }

  decrypt(data: Uint8Array, nonce: Uint8Array, associatedData?: Uint8Array): Promise<Bytes> {
    return this.#crypt('decrypt', data, nonce, associatedData);
  }

  encryptInto(
    data: Uint8Array,
    output: Uint8Array,
    nonce: Uint8Array,
    associatedData?: Uint8Array,
  ): Promise<number> {
    return this.#cryptInto('encrypt', data, output, nonce, associatedData);
  }

  decryptInto(
    data: Uint8Array,
    output: Uint8Array,
    nonce: Uint8Array,
    associatedData?: Uint8Array,
  ): Promise<number> {
    return this.#cryptInto('decrypt', data, output, nonce, associatedData);
  }

  protected override release(): Promise<void> {
    return destroyPair(this.port, service.AEAD, this.#pair);
  }

  #crypt(
    direction: Direction,
    data: Uint8Array,
    nonce: Uint8Array,
    associatedData: Uint8Array = none,
  ): Promise<Bytes> {
    return this.track(async () => {
      checkAeadOperation(this.#aead, this.#tagLength, direction, data, nonce, associatedData);
      return this.#send(direction, data, nonce, associatedData);
    });
  }

  #cryptInto(
    direction: Direction,
    data: Uint8Array,
    output: Uint8Array,
    nonce: Uint8Array,
    associatedData: Uint8Array = none,
  ): Promise<number> {
    return this.track(async () => {
      checkAeadOperation(this.#aead, this.#tagLength, direction, data, nonce, associatedData);
      checkOutput(output, aeadLength(direction, this.#tagLength, data));
      return copiedTo(output, this.#send(direction, data, nonce, associatedData));
    });
  }

  #send(
    direction: Direction,
    data: Uint8Array,
    nonce: Uint8Array,
    associatedData: Uint8Array,
  ): Promise<Bytes> {
    const tagLength = this.#tagLength;
    const resultLength = aeadLength(direction, tagLength, data);
    const header = encodeAeadData(
      { id: this.#pair[direction], operation: direct[direction] },
      aeadRequest(data, nonce, associatedData, tagLength, resultLength),
      this.port.isRevision1,
    );
    return this.port.operate(this.queue, [header, nonce, data, associatedData], resultLength);
  }
}

/** Length of the result of an AEAD operation. */
export function aeadLength(direction: Direction, tagLength: number, data: Uint8Array): number {
  return direction === 'encrypt' ? data.length + tagLength : data.length - tagLength;
}

export function aeadRequest(
  data: Uint8Array,
  nonce: Uint8Array,
  associatedData: Uint8Array,
  tagLength: number,
  destinationLength: number,
): Parameters<typeof encodeAeadData>[1] {
  return {
    ivLength: nonce.length,
    aadLength: associatedData.length,
    sourceLength: data.length,
    destinationLength,
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

  async release(port: DriverPort): Promise<void> {
    this.#users -= 1;
    if (this.#users === 0) await port.destroySession(this.kind, this.id);
  }
}

export class DriverDigestSession extends DriverSession implements DigestSession {
  readonly #host: SessionHost;
  readonly #shared: SharedSession;
  /** Of the message so far; each is a copy. */
  #parts: Uint8Array[] = [];
  #length = 0;

  private constructor(host: SessionHost, shared: SharedSession, queue?: RequestQueue) {
    super(host, queue);
    this.#host = host;
    this.#shared = shared;
  }

  static async create(
    host: SessionHost,
    options: DigestOptions,
    key: Uint8Array,
  ): Promise<DriverDigestSession> {
    const { port } = host;
    const spec = digestSpec(options, key);
    const id = await port.createSession(encodeDigestSession(spec, port.isRevision1), [key]);
    const kind = 'mac' in options ? service.MAC : service.HASH;
    return new DriverDigestSession(host, new SharedSession(id, kind, spec.resultLength));
  }

  update(data: Uint8Array): Promise<void> {
    return this.track(async () => {
      checkBytes('data', data);
      this.#checkLength(data);
      if (data.length === 0) return;
      this.#parts.push(Uint8Array.from(data));
      this.#length += data.length;
    });
  }

  digest(data: Uint8Array = none): Promise<Bytes> {
    return this.track(async () => {
      checkBytes('data', data);
      this.#checkLength(data);
      const { id, kind, resultLength } = this.#shared;
      const sourceLength = this.#length + data.length;
      const parts = this.#parts;
      this.#forget();
      const request = { sourceLength, resultLength };
      const header = encodeDigestData(kind, { id }, request, this.port.isRevision1);
      const result = this.port.operate(this.queue, [header, ...parts, data], resultLength);
      return result.finally(() => wipe(parts));
    });
  }

  copy(): Promise<DigestSession> {
    return this.track(async () => {
      const copy = new DriverDigestSession(this.#host, this.#shared.share(), this.queue);
      copy.#parts = this.#parts.map((part) => part.slice());
      copy.#length = this.#length;
      this.#host.opened(copy);
      return copy;
    });
  }

  protected override release(): Promise<void> {
    wipe(this.#parts);
    this.#forget();
    return this.#shared.release(this.port);
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

/** `key` is the one that the device is given. */
export function digestSpec(
  options: DigestOptions,
  key: Uint8Array,
): { algo: number; resultLength: number; authKeyLength?: number } {
  if (!('mac' in options)) {
    return { algo: numberOf(options.hash)!, resultLength: hashes[options.hash].digestLength };
  }
  const resultLength = hashes[hashOfMac(options.mac)].digestLength;
  return { algo: numberOf(options.mac)!, resultLength, authKeyLength: key.length };
}
