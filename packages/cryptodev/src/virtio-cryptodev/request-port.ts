/** The driver's way to one request queue: encodes requests, checks responses, and makes errors of statuses. */
import { type RequestQueue, VirtioError } from '@skytale/virtio';
import type { Bytes } from '../crypto-device.ts';
import { CryptoError, type CryptoErrorCode } from '../crypto-error.ts';
import type { BounceMemory } from './bounce-memory.ts';
import { errno, errnoName } from './errno.ts';
import { resultOf } from './result-memory.ts';
import {
  decodeResponseHeader,
  emptyRequestHeader,
  encodeRequestHeader,
  type RequestHeader,
  requestHeaderLength,
  responseHeaderLength,
} from './wire.ts';

/** What a request asks for, in bytes. */
export type Expected = { readonly macLength?: number; readonly dataLength?: number };

/** A response whose status is 0, and whose lengths are what was asked for. */
export type Response = { readonly id: number; readonly mac: Bytes; readonly data: Bytes };

/** Where a request lies in the shared memory, by offsets in it. */
type Layout = {
  readonly block: number;
  readonly request: number;
  readonly requestLength: number;
  readonly response: number;
  /** Length of the response up to its data. */
  readonly room: number;
  readonly macLength: number;
  readonly dataLength: number;
  /** How many bytes of the block to overwrite when it is done. */
  readonly wipe: number;
};

const none = new Uint8Array(0);
/** Where source and destination data lie: at the start of a cache line. */
const alignment = 64;

export class RequestPort {
  readonly #queue: RequestQueue;
  readonly #memory: BounceMemory;
  readonly #view: DataView;

  constructor(queue: RequestQueue, memory: BounceMemory) {
    this.#queue = queue;
    this.#memory = memory;
    this.#view = new DataView(memory.bytes.buffer, memory.bytes.byteOffset, memory.bytes.length);
  }

  /**
   * Makes a request. Its parts and data must not change until it has been answered; the header may.
   * @param parts what stands between the header and the data
   * @param wipe overwrite the request in shared memory when it is done: it has a key in it
   * @throws {CryptoError} what the status says; CRYPTO_DEVICE_FAILED, CRYPTO_CLOSED, CRYPTO_LIMIT
   */
  send(
    header: RequestHeader,
    parts: readonly Uint8Array[],
    data: Uint8Array,
    { macLength = 0, dataLength = 0 }: Expected,
    wipe = false,
  ): Promise<Response> {
    let prefixLength = requestHeaderLength;
    for (const part of parts) prefixLength += part.length;
    const room = responseHeaderLength + header.macLength;
    // The response ends where the data begins, over the header and the parts: the device has read them (6).
    const before = Math.ceil(Math.max(prefixLength, room) / alignment) * alignment;
    const length = before + Math.max(data.length, dataLength);
    const layoutAt = (block: number): Layout => ({
      block,
      request: block + before - prefixLength,
      requestLength: prefixLength + data.length,
      response: block + before - room,
      room,
      macLength,
      dataLength,
      wipe: wipe ? length : 0,
    });
    // Without async functions: at a million requests a second each promise counts.
    try {
      const block = this.#memory.take(length);
      if (block !== undefined) return this.#submit(header, parts, data, layoutAt(block));
    } catch (error) {
      return Promise.reject(asCryptoError(error));
    }
    const kept = { ...header };
    return this.#memory.wait(length).then(
      (block) => this.#submit(kept, parts, data, layoutAt(block)),
      (error) => Promise.reject(asCryptoError(error)),
    );
  }

  /** A request that is a header and no more. */
  control(header: Partial<RequestHeader>): Promise<Response> {
    return this.send({ ...emptyRequestHeader(), ...header }, [], none, {});
  }

  #submit(
    header: RequestHeader,
    parts: readonly Uint8Array[],
    data: Uint8Array,
    layout: Layout,
  ): Promise<Response> {
    this.#encode(header, parts, data, layout.request);
    const { base } = this.#memory;
    const readable = { address: base + layout.request, length: layout.requestLength };
    const writable = { address: base + layout.response, length: layout.room + layout.dataLength };
    return this.#queue.submit([readable], [writable]).then(
      (written) => {
        try {
          return this.#decode(layout, written);
        } finally {
          this.#memory.give(layout.block, layout.wipe);
        }
      },
      (error) => {
        // The block may still be the device's: it comes back with a reset, and until then nothing else works.
        this.#memory.refuse(error);
        throw asCryptoError(error);
      },
    );
  }

  #encode(header: RequestHeader, parts: readonly Uint8Array[], data: Uint8Array, start: number): void {
    const { bytes } = this.#memory;
    encodeRequestHeader(this.#view, header, start);
    let at = start + requestHeaderLength;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.length;
    }
    bytes.set(data, at);
  }

  /**
   * The device is not trusted to keep to the document: a response must be exactly what was asked for.
   * @throws {CryptoError} what the status says; CRYPTO_DEVICE_FAILED for a response that must not be
   */
  #decode({ response: start, room, macLength, dataLength }: Layout, written: number): Response {
    if (written < responseHeaderLength) {
      throw failed(`the device wrote ${written} bytes, less than a response header`);
    }
    const { status, id, ...given } = decodeResponseHeader(this.#view, start);
    if (status !== 0) throw statusError(status);
    const whole = written >= room + dataLength;
    if (!whole || given.dataLength !== dataLength || given.macLength < macLength) {
      throw failed(
        `the device gave ${given.dataLength} bytes of data and ${given.macLength} of digest in ${written} bytes; ` +
          `${dataLength} and ${macLength} were due`,
      );
    }
    return {
      id,
      mac: macLength === 0 ? none : this.#copy(start + responseHeaderLength, macLength),
      data: dataLength === 0 ? none : this.#copy(start + room, dataLength),
    };
  }

  #copy(start: number, length: number): Bytes {
    const copy = resultOf(length);
    copy.set(this.#memory.bytes.subarray(start, start + length));
    return copy;
  }
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
