/** The driver's way to one request queue: encodes requests, checks responses, and makes errors of statuses. */
import { type RequestQueue, VirtioError } from '@skytale/virtio';
import type { Bytes } from '../crypto-device.ts';
import { CryptoError, type CryptoErrorCode } from '../crypto-error.ts';
import { errno, errnoName } from './errno.ts';
import {
  decodeResponseHeader,
  emptyRequestHeader,
  encodeRequestHeader,
  maxIvLength,
  type RequestHeader,
  type ResponseHeader,
  requestHeaderLength,
  responseHeaderLength,
} from './wire.ts';

/** A response whose status is 0, and whose lengths are what was asked for. */
export type Response = {
  readonly id: number;
  readonly mac: Bytes;
  readonly data: Bytes;
};

/** What the response must have, in bytes. */
export type Expected = { readonly macLength?: number; readonly dataLength?: number };

/** The parts that follow the header and the IV. */
export type Parts = readonly Uint8Array[];

const none = new Uint8Array(0);

export class RequestPort {
  readonly #queue: RequestQueue;
  /** The header, and behind it the IV: one part of the request for both. The queue copies it at once. */
  readonly #prefix = new Uint8Array(requestHeaderLength + maxIvLength);
  readonly #prefixView = new DataView(this.#prefix.buffer);
  readonly #headerOnly = this.#prefix.subarray(0, requestHeaderLength);

  constructor(queue: RequestQueue) {
    this.#queue = queue;
  }

  /** A request other than an operation on data. */
  async control(header: Partial<RequestHeader>, parts: Parts = [], wipe = false): Promise<Response> {
    encodeRequestHeader(this.#prefixView, { ...emptyRequestHeader(), ...header });
    const answer = await this.#send([this.#headerOnly, ...parts], responseHeaderLength, wipe);
    return checked(answer, 0, 0);
  }

  /**
   * An operation on an existing session.
   * @param header complete; it is encoded at once, so it may be used again
   * @returns the destination data
   */
  async operate(header: RequestHeader, iv: Uint8Array, parts: Parts, expected: number): Promise<Bytes> {
    encodeRequestHeader(this.#prefixView, header);
    const prefix = this.#withIv(iv);
    const answer = await this.#send([prefix, ...parts], responseHeaderLength + expected, false);
    return checked(answer, 0, expected).data;
  }

  /** An operation that gives a digest, or one that brings its keys with it. */
  async request(
    header: RequestHeader,
    parts: Parts,
    { macLength = 0, dataLength = 0 }: Expected,
    wipe = false,
  ): Promise<Response> {
    encodeRequestHeader(this.#prefixView, header);
    const length = responseHeaderLength + header.macLength + dataLength;
    const answer = await this.#send([this.#headerOnly, ...parts], length, wipe);
    return checked(answer, macLength, dataLength);
  }

  #withIv(iv: Uint8Array): Uint8Array {
    if (iv.length === 0) return this.#headerOnly;
    this.#prefix.set(iv, requestHeaderLength);
    return iv.length === maxIvLength
      ? this.#prefix
      : this.#prefix.subarray(0, requestHeaderLength + iv.length);
  }

  async #send(parts: Parts, writableLength: number, wipe: boolean): Promise<Bytes> {
    try {
      return await this.#queue.request(parts, writableLength, { wipe });
    } catch (error) {
      throw asCryptoError(error);
    }
  }
}

/**
 * The device is not trusted to keep to the document: a response must be exactly what was asked for.
 * @throws {CryptoError} what the status says; CRYPTO_DEVICE_FAILED for a response that must not be
 */
function checked(answer: Bytes, macLength: number, dataLength: number): Response {
  if (answer.length < responseHeaderLength) {
    throw failed(`the device wrote ${answer.length} bytes, less than a response header`);
  }
  const header = decodeResponseHeader(new DataView(answer.buffer, answer.byteOffset));
  if (header.status !== 0) throw statusError(header.status);
  checkLengths(header, answer.length, macLength, dataLength);
  const dataStart = answer.length - dataLength;
  return {
    id: header.id,
    mac: macLength === 0 ? none : answer.subarray(responseHeaderLength, responseHeaderLength + macLength),
    data: answer.subarray(dataStart),
  };
}

function checkLengths(header: ResponseHeader, length: number, macLength: number, dataLength: number): void {
  const enough = length >= responseHeaderLength + macLength + dataLength;
  if (enough && header.dataLength === dataLength && header.macLength >= macLength) return;
  throw failed(
    `the device gave ${header.dataLength} bytes of data and ${header.macLength} of digest in ${length} bytes; ` +
      `${dataLength} and ${macLength} were due`,
  );
}

const codes = new Map<number, CryptoErrorCode>([
  [errno.EBADMSG, 'CRYPTO_AUTHENTICATION_FAILED'],
  [errno.EMFILE, 'CRYPTO_LIMIT'],
  [errno.ENFILE, 'CRYPTO_LIMIT'],
  [errno.ENOMEM, 'CRYPTO_LIMIT'],
  [errno.EMSGSIZE, 'CRYPTO_INVALID_DATA_LENGTH'],
]);

const explanations = new Map<number, string>([
  [
    errno.EBADMSG,
    'the tag does not match: data, associated data, nonce or key are not those that were sealed',
  ],
  [errno.EMFILE, 'the device has no room for another session; close one'],
  [errno.ENFILE, 'the device has no handle left; close another user of it'],
  [errno.ENOMEM, 'the device has no memory left; close sessions'],
  [errno.EMSGSIZE, 'more data than the device takes in one request'],
]);

function statusError(status: number): CryptoError {
  const explanation = explanations.get(status) ?? `the device answered ${errnoName(status)}`;
  return new CryptoError(codes.get(status) ?? 'CRYPTO_DEVICE_FAILED', explanation);
}

export function failed(message: string, options?: ErrorOptions): CryptoError {
  return new CryptoError('CRYPTO_DEVICE_FAILED', message, options);
}

/** What a queue or a transport threw, by this package's codes. */
export function asCryptoError(error: unknown): CryptoError {
  if (error instanceof CryptoError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof VirtioError)) return failed(message, { cause: error });
  switch (error.code) {
    case 'VIRTIO_CLOSED':
      return new CryptoError('CRYPTO_CLOSED', message, { cause: error });
    case 'VIRTIO_BUSY':
      return new CryptoError('CRYPTO_LIMIT', message, { cause: error });
    case 'VIRTIO_OUT_OF_MEMORY':
      return new CryptoError('CRYPTO_INVALID_DATA_LENGTH', message, { cause: error });
    default:
      return failed(message, { cause: error });
  }
}
