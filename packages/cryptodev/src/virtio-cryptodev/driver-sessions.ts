/** The sessions of the driver: each call is one request to the session that the device holds. */
import { type AeadName, aeads, type CipherName } from '../algorithms.ts';
import { checkAeadOperation, checkBytes, checkCipherOperation } from '../checks.ts';
import type { AeadSession, Bytes, CipherSession, DigestSession, Direction } from '../crypto-device.ts';
import { CryptoError } from '../crypto-error.ts';
import { checkOutput } from '../device-memory.ts';
import type { RequestPort } from './request-port.ts';
import {
  COP_DECRYPT,
  COP_ENCRYPT,
  emptyRequestHeader,
  flag,
  ioctl,
  type RequestHeader,
  requestType,
} from './wire.ts';

/** What a session needs of its driver. */
export type SessionHost = {
  /** Longest data and associated data of a request, in bytes. */
  readonly maxDataLength: number;
  readonly maxAuthLength: number;
  /** The session is gone. */
  closed(session: DriverSession): void;
};

/** Where a session is: the queue that all its requests take, so that they keep their order, and its names. */
export type SessionPlace = {
  readonly port: RequestPort;
  readonly handle: number;
  readonly session: number;
};

const none = new Uint8Array(0);

export abstract class DriverSession implements AsyncDisposable {
  /** What else is to be done when the session is gone. */
  ended: () => void = () => {};
  readonly place: SessionPlace;
  protected readonly host: SessionHost;
  #closing: Promise<void> | undefined;

  constructor(host: SessionHost, place: SessionPlace) {
    this.host = host;
    this.place = place;
  }

  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @throws {CryptoError} CRYPTO_CLOSED */
  protected assertOpen(): void {
    if (this.#closing !== undefined) throw new CryptoError('CRYPTO_CLOSED', 'the session is closed');
  }

  /** A header for operations, with the session's names in it. */
  protected header(number: number): RequestHeader {
    const { handle, session } = this.place;
    return { ...emptyRequestHeader(), type: requestType.ioctl, ioctl: number, handle, session };
  }

  async #end(): Promise<void> {
    const { port, handle, session } = this.place;
    try {
      // Made available after all operations, so carried out after them (6.11).
      await port.control({ type: requestType.ioctl, ioctl: ioctl.CIOCFSESSION, handle, session });
    } finally {
      this.ended();
      this.host.closed(this);
    }
  }
}

export class DriverCipherSession extends DriverSession implements CipherSession {
  readonly #cipher: CipherName;
  // The same for each request: they are read before the next is made.
  readonly #header = this.header(ioctl.CIOCCRYPT);
  readonly #parts: [iv: Uint8Array] = [none];

  constructor(host: SessionHost, place: SessionPlace, cipher: CipherName) {
    super(host, place);
    this.#cipher = cipher;
  }

  encrypt(data: Uint8Array, iv?: Uint8Array): Promise<Bytes> {
    return this.#transform('encrypt', data, iv);
  }

  decrypt(data: Uint8Array, iv?: Uint8Array): Promise<Bytes> {
    return this.#transform('decrypt', data, iv);
  }

  encryptInto(data: Uint8Array, output: Uint8Array, iv?: Uint8Array): Promise<number> {
    return this.#transformInto('encrypt', data, output, iv);
  }

  decryptInto(data: Uint8Array, output: Uint8Array, iv?: Uint8Array): Promise<number> {
    return this.#transformInto('decrypt', data, output, iv);
  }

  #transform(direction: Direction, data: Uint8Array, iv: Uint8Array | undefined): Promise<Bytes> {
    try {
      this.#prepare(direction, data, iv);
      return this.place.port.transform(this.#header, this.#parts, data, data.length);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #transformInto(
    direction: Direction,
    data: Uint8Array,
    output: Uint8Array,
    iv: Uint8Array | undefined,
  ): Promise<number> {
    try {
      this.#prepare(direction, data, iv);
      checkOutput(output, data.length);
      return this.place.port.transformInto(this.#header, this.#parts, data, data.length, output);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #prepare(direction: Direction, data: Uint8Array, iv: Uint8Array | undefined): void {
    this.assertOpen();
    const given = checkCipherOperation(this.#cipher, data, iv);
    checkLength('data', data, this.host.maxDataLength);
    const header = this.#header;
    header.op = direction === 'encrypt' ? COP_ENCRYPT : COP_DECRYPT;
    header.dataLength = data.length;
    header.ivLength = given.length;
    this.#parts[0] = given;
  }
}

export class DriverAeadSession extends DriverSession implements AeadSession {
  readonly #aead: AeadName;
  readonly #tagLength: number;
  readonly #header = this.header(ioctl.CIOCAUTHCRYPT);
  readonly #parts: [iv: Uint8Array, associatedData: Uint8Array] = [none, none];

  constructor(host: SessionHost, place: SessionPlace, aead: AeadName, tagLength: number) {
    super(host, place);
    this.#aead = aead;
    this.#tagLength = tagLength;
  }

  encrypt(data: Uint8Array, nonce: Uint8Array, associatedData?: Uint8Array): Promise<Bytes> {
    return this.#transform('encrypt', data, nonce, associatedData);
  }

  decrypt(data: Uint8Array, nonce: Uint8Array, associatedData?: Uint8Array): Promise<Bytes> {
    return this.#transform('decrypt', data, nonce, associatedData);
  }

  encryptInto(
    data: Uint8Array,
    output: Uint8Array,
    nonce: Uint8Array,
    associatedData?: Uint8Array,
  ): Promise<number> {
    return this.#transformInto('encrypt', data, output, nonce, associatedData);
  }

  decryptInto(
    data: Uint8Array,
    output: Uint8Array,
    nonce: Uint8Array,
    associatedData?: Uint8Array,
  ): Promise<number> {
    return this.#transformInto('decrypt', data, output, nonce, associatedData);
  }

  #transform(
    direction: Direction,
    data: Uint8Array,
    nonce: Uint8Array,
    associatedData: Uint8Array = none,
  ): Promise<Bytes> {
    try {
      const length = this.#prepare(direction, data, nonce, associatedData);
      return this.place.port.transform(this.#header, this.#parts, data, length);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #transformInto(
    direction: Direction,
    data: Uint8Array,
    output: Uint8Array,
    nonce: Uint8Array,
    associatedData: Uint8Array = none,
  ): Promise<number> {
    try {
      const length = this.#prepare(direction, data, nonce, associatedData);
      checkOutput(output, length);
      return this.place.port.transformInto(this.#header, this.#parts, data, length, output);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** @returns the length of the result */
  #prepare(direction: Direction, data: Uint8Array, nonce: Uint8Array, associatedData: Uint8Array): number {
    this.assertOpen();
    checkAeadOperation(this.#aead, this.#tagLength, direction, data, nonce, associatedData);
    checkLength('data', data, this.host.maxDataLength);
    checkLength('associated data', associatedData, this.host.maxAuthLength);
    const header = this.#header;
    fillAeadHeader(header, direction, this.#tagLength, data, associatedData);
    const iv = aeadIv(this.#aead, nonce);
    header.ivLength = iv.length;
    this.#parts[0] = iv;
    this.#parts[1] = associatedData;
    return aeadLength(direction, this.#tagLength, data);
  }
}

/** The fields of an AEAD operation, less the IV. */
export function fillAeadHeader(
  header: RequestHeader,
  direction: Direction,
  tagLength: number,
  data: Uint8Array,
  associatedData: Uint8Array,
): void {
  header.op = direction === 'encrypt' ? COP_ENCRYPT : COP_DECRYPT;
  header.tagLength = tagLength;
  header.dataLength = data.length;
  header.authLength = associatedData.length;
}

/** Length of the result of an AEAD operation. */
export function aeadLength(direction: Direction, tagLength: number, data: Uint8Array): number {
  return direction === 'encrypt' ? data.length + tagLength : data.length - tagLength;
}

/** The IV as the device takes it (4.1): the nonce; of CCM, with the length of its length field before it. */
export function aeadIv(aead: AeadName, nonce: Uint8Array): Uint8Array {
  if (aead !== 'aes-ccm') return nonce;
  const iv = new Uint8Array(1 + aeads['aes-ccm'].nonceLengths[1] + 2);
  iv[0] = 14 - nonce.length;
  iv.set(nonce, 1);
  return iv;
}

/** How a digest session makes another with the same key, on the same queue, counted like any other. */
export type Sibling = (place: SessionPlace) => Promise<DriverDigestSession>;

export class DriverDigestSession extends DriverSession implements DigestSession {
  readonly #digestLength: number;
  readonly #sibling: Sibling;

  constructor(host: SessionHost, place: SessionPlace, digestLength: number, sibling: Sibling) {
    super(host, place);
    this.#digestLength = digestLength;
    this.#sibling = sibling;
  }

  async update(data: Uint8Array): Promise<void> {
    this.assertOpen();
    checkBytes('data', data);
    await this.#update(data);
  }

  async digest(data: Uint8Array = none): Promise<Bytes> {
    this.assertOpen();
    checkBytes('data', data);
    // What is too long for one request goes before.
    const rest = data.length % this.host.maxDataLength;
    const before = this.#update(data.subarray(0, data.length - rest));
    const last = this.#send(flag.final, data.subarray(data.length - rest), this.#digestLength);
    const [, digest] = await Promise.all([before, last]);
    return digest;
  }

  async copy(): Promise<DigestSession> {
    this.assertOpen();
    const copy = await this.#sibling(this.place);
    const { port, handle, session } = copy.place;
    await port.control({
      type: requestType.ioctl,
      ioctl: ioctl.CIOCCPHASH,
      handle,
      session,
      argument: this.place.session,
    });
    return copy;
  }

  async #update(data: Uint8Array): Promise<void> {
    const pieces: Promise<unknown>[] = [];
    const { maxDataLength } = this.host;
    // Without data there is no request: it would be the end of the hash (6.8).
    for (let start = 0; start < data.length; start += maxDataLength) {
      pieces.push(this.#send(flag.update, data.subarray(start, start + maxDataLength), 0));
    }
    await Promise.all(pieces);
  }

  #send(flags: number, data: Uint8Array, macLength: number): Promise<Bytes> {
    const header = this.header(ioctl.CIOCCRYPT);
    header.flags = flags;
    header.dataLength = data.length;
    header.macLength = macLength;
    return this.place.port.digest(header, [], data);
  }
}

/** @throws {CryptoError} CRYPTO_INVALID_DATA_LENGTH */
export function checkLength(what: string, data: Uint8Array, most: number): void {
  if (data.length <= most) return;
  throw new CryptoError(
    'CRYPTO_INVALID_DATA_LENGTH',
    `${data.length} bytes of ${what}; the device takes no more than ${most}`,
  );
}
