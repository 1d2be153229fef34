/** The driver's way to one request queue: what kinds of requests there are, and what comes of their answers. */
import type { RequestQueue } from '@skytale/virtio';
import type { Bytes } from '../crypto-device.ts';
import { resultOf } from '../result-memory.ts';
import type { DriverMemory } from './driver-memory.ts';
import { type Answer, DriverRequest } from './driver-request.ts';
import { emptyRequestHeader, type RequestHeader } from './wire.ts';

const none = new Uint8Array(0);
/** How many requests are kept for the next; more in flight are made anew. */
const maxIdle = 256;

/**
 * All of its methods make one request. Parts, data and output must not change until it has been answered; the
 * header and the list of the parts may. What they throw, as rejections: CryptoError of what the status says;
 * CRYPTO_DEVICE_FAILED, CRYPTO_CLOSED, CRYPTO_LIMIT.
 */
export class RequestPort {
  readonly #queue: RequestQueue;
  readonly #memory: DriverMemory;
  readonly #idle: DriverRequest[] = [];
  readonly #recycle = (request: DriverRequest): void => {
    if (this.#idle.length < maxIdle) this.#idle.push(request);
  };

  constructor(queue: RequestQueue, memory: DriverMemory) {
    this.#queue = queue;
    this.#memory = memory;
  }

  /** A request that is a header and no more. @returns the handle or session of the answer */
  control(header: Partial<RequestHeader>): Promise<number> {
    return this.#send(
      { ...emptyRequestHeader(), ...header },
      [],
      none,
      0,
      undefined,
      idOf,
    ) as Promise<number>;
  }

  /** A request for a session: with its keys, which are overwritten when it is done. @returns the session */
  create(header: RequestHeader, keys: readonly Uint8Array[]): Promise<number> {
    return this.#send(header, keys, none, 0, undefined, idOf, true) as Promise<number>;
  }

  /**
   * A cipher operation.
   * @param parts what stands between the header and the data
   * @param length of the result
   * @param output for the result, long enough; undefined for an array of its own
   * @param hasKey the parts are to be overwritten when it is done
   * @returns the result; its length if there is an `output`
   */
  transform(
    header: RequestHeader,
    parts: readonly Uint8Array[],
    data: Uint8Array,
    length: number,
    output: Uint8Array | undefined,
    hasKey = false,
  ): Promise<Bytes | number> {
    const answer = output === undefined ? resultCopy : resultInOutput;
    return this.#send(header, parts, data, length, output, answer, hasKey) as Promise<Bytes | number>;
  }

  /** A hash operation. @returns the digest, of the length that the header asks for */
  digest(header: RequestHeader, parts: readonly Uint8Array[], data: Uint8Array): Promise<Bytes> {
    return this.#send(header, parts, data, 0, undefined, macCopy, parts.length > 0) as Promise<Bytes>;
  }

  // Without async functions: at a million requests a second each promise counts.
  #send(
    header: RequestHeader,
    parts: readonly Uint8Array[],
    data: Uint8Array,
    dataLength: number,
    output: Uint8Array | undefined,
    answer: Answer,
    hasKey = false,
  ): Promise<unknown> {
    const request = this.#idle.pop() ?? new DriverRequest(this.#memory, this.#recycle);
    request.header = header;
    request.parts = parts;
    request.data = data;
    request.output = output;
    request.dataLength = dataLength;
    request.hasKey = hasKey;
    request.answer = answer;
    const promise = request.begin();
    this.#queue.send(request);
    return promise;
  }
}

function idOf(request: DriverRequest): number {
  return request.id;
}

function resultCopy(request: DriverRequest): Bytes {
  const result = resultOf(request.dataLength);
  request.copyResult(result);
  return result;
}

function resultInOutput(request: DriverRequest): number {
  request.copyResult(request.output!);
  return request.dataLength;
}

function macCopy(request: DriverRequest): Bytes {
  const result = resultOf(request.macLength);
  request.copyMac(result);
  return result;
}
