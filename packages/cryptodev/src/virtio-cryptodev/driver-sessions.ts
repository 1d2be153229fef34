/** The sessions of the driver: each call is one request to the session that the device holds. */
import { type AeadName, aeads } from '../algorithms.ts';
import type { Bytes, Direction } from '../crypto-device.ts';
import { CryptoError } from '../crypto-error.ts';
import { SerialQueue } from '../serial-queue.ts';
import type { PortCipher, PortCipherOptions, PortDigest } from '../session-port.ts';
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

/** Longest data and associated data of a request, in bytes. */
export type Limits = { readonly maxDataLength: number; readonly maxAuthLength: number };

const none = new Uint8Array(0);

/** A session that the device holds: its names, and the queue that all its requests take, so that they keep their order. */
export class SessionPlace {
  readonly port: RequestPort;
  readonly handle: number;
  readonly session: number;

  constructor(port: RequestPort, handle: number, session: number) {
    this.port = port;
    this.handle = handle;
    this.session = session;
  }

  /** A header for a request with the session's names in it. */
  header(number: number): RequestHeader {
    const { handle, session } = this;
    return { ...emptyRequestHeader(), type: requestType.ioctl, ioctl: number, handle, session };
  }

  /** Made available after all operations, so carried out after them (6.11). */
  destroy(): Promise<unknown> {
    const { port, handle, session } = this;
    return port.control({ type: requestType.ioctl, ioctl: ioctl.CIOCFSESSION, handle, session });
  }
}

/** Header and parts for operations of a cipher or an AEAD, one after another: they are read before the next is made. */
export class CryptRequest {
  readonly header: RequestHeader;
  readonly parts: Uint8Array[];
  readonly #limits: Limits;
  readonly #aead: AeadName | undefined;
  readonly #keys: number;

  /** @param keys what stands before the IV */
  constructor(
    limits: Limits,
    options: PortCipherOptions,
    header: RequestHeader,
    keys: readonly Uint8Array[],
  ) {
    this.header = header;
    this.#limits = limits;
    this.#keys = keys.length;
    if ('aead' in options) {
      this.#aead = options.aead;
      header.ioctl = ioctl.CIOCAUTHCRYPT;
      header.tagLength = options.tagLength;
      this.parts = [...keys, none, none];
    } else {
      header.ioctl = ioctl.CIOCCRYPT;
      this.parts = [...keys, none];
    }
  }

  /** @throws {CryptoError} CRYPTO_INVALID_DATA_LENGTH */
  fill(direction: Direction, data: Uint8Array, iv: Uint8Array, associatedData: Uint8Array): void {
    const { header, parts } = this;
    checkLength('data', data, this.#limits.maxDataLength);
    header.op = direction === 'encrypt' ? COP_ENCRYPT : COP_DECRYPT;
    header.dataLength = data.length;
    let given = iv;
    if (this.#aead !== undefined) {
      checkLength('associated data', associatedData, this.#limits.maxAuthLength);
      header.authLength = associatedData.length;
      parts[this.#keys + 1] = associatedData;
      given = aeadIv(this.#aead, iv);
    }
    header.ivLength = given.length;
    parts[this.#keys] = given;
  }
}

export class CipherOnDevice implements PortCipher {
  readonly #place: SessionPlace;
  readonly #request: CryptRequest;

  constructor(place: SessionPlace, limits: Limits, options: PortCipherOptions) {
    this.#place = place;
    this.#request = new CryptRequest(limits, options, place.header(0), []);
  }

  crypt(
    direction: Direction,
    data: Uint8Array,
    iv: Uint8Array,
    associatedData: Uint8Array,
    length: number,
    output: Uint8Array | undefined,
  ): Promise<Bytes | number> {
    const request = this.#request;
    request.fill(direction, data, iv, associatedData);
    return this.#place.port.transform(request.header, request.parts, data, length, output);
  }

  destroy(): Promise<unknown> {
    return this.#place.destroy();
  }
}

/** The IV as the device takes it (4.1): the nonce; of CCM, with the length of its length field before it. */
function aeadIv(aead: AeadName, nonce: Uint8Array): Uint8Array {
  if (aead !== 'aes-ccm') return nonce;
  const iv = new Uint8Array(1 + aeads['aes-ccm'].nonceLengths[1] + 2);
  iv[0] = 14 - nonce.length;
  iv.set(nonce, 1);
  return iv;
}

/** What a digest session is made of beside its place. */
export type DigestParts = {
  readonly digestLength: number;
  /** Another session with the same key, on the same queue. */
  readonly sibling: () => Promise<DigestOnDevice>;
  /** The session is gone. */
  readonly ended: () => void;
};

export class DigestOnDevice implements PortDigest {
  readonly #place: SessionPlace;
  readonly #limits: Limits;
  readonly #parts: DigestParts;
  /** A copy is more than one request: nothing may come between them. */
  readonly #copies = new SerialQueue();

  constructor(place: SessionPlace, limits: Limits, parts: DigestParts) {
    this.#place = place;
    this.#limits = limits;
    this.#parts = parts;
  }

  update(data: Uint8Array): Promise<void> {
    return this.#copies.isIdle ? this.#update(data) : this.#copies.run(() => this.#update(data));
  }

  digest(data: Uint8Array): Promise<Bytes> {
    return this.#copies.isIdle ? this.#digest(data) : this.#copies.run(() => this.#digest(data));
  }

  copy(): Promise<PortDigest> {
    return this.#copies.run(() => this.#copy());
  }

  destroy(): Promise<void> {
    return this.#copies.isIdle ? this.#destroy() : this.#copies.run(() => this.#destroy());
  }

  async #update(data: Uint8Array): Promise<void> {
    const pieces: Promise<unknown>[] = [];
    const { maxDataLength } = this.#limits;
    // Without data there is no request: it would be the end of the hash (6.8).
    for (let start = 0; start < data.length; start += maxDataLength) {
      pieces.push(this.#send(flag.update, data.subarray(start, start + maxDataLength), 0));
    }
    await Promise.all(pieces);
  }

  async #digest(data: Uint8Array): Promise<Bytes> {
    // What is too long for one request goes before.
    const rest = data.length % this.#limits.maxDataLength;
    const before = this.#update(data.subarray(0, data.length - rest));
    const last = this.#send(flag.final, data.subarray(data.length - rest), this.#parts.digestLength);
    const [, digest] = await Promise.all([before, last]);
    return digest;
  }

  async #copy(): Promise<DigestOnDevice> {
    const copy = await this.#parts.sibling();
    const header = copy.#place.header(ioctl.CIOCCPHASH);
    header.argument = this.#place.session;
    try {
      await copy.#place.port.control(header);
    } catch (error) {
      await Promise.allSettled([copy.destroy()]);
      throw error;
    }
    return copy;
  }

  async #destroy(): Promise<void> {
    try {
      await this.#place.destroy();
    } finally {
      this.#parts.ended();
    }
  }

  #send(flags: number, data: Uint8Array, macLength: number): Promise<Bytes> {
    const header = this.#place.header(ioctl.CIOCCRYPT);
    header.flags = flags;
    header.dataLength = data.length;
    header.macLength = macLength;
    return this.#place.port.digest(header, [], data);
  }
}

function checkLength(what: string, data: Uint8Array, most: number): void {
  if (data.length <= most) return;
  throw new CryptoError(
    'CRYPTO_INVALID_DATA_LENGTH',
    `${data.length} bytes of ${what}; the device takes no more than ${most}`,
  );
}
