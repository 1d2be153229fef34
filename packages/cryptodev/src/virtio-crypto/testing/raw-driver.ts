/** For tests: hands requests, put together part by part, to a device without any transport. */
import type { Segments, VirtioRequest } from '@skytale/virtio';
import type { Engine } from '../../engine.ts';
import { OpensslEngine } from '../../engines/openssl.ts';
import { segmentsOf } from '../../virtio-cryptodev/testing/raw-driver.ts';
import { VirtioCryptoDevice, type VirtioCryptoOptions } from '../device.ts';
import { encodeCipherData, encodeCipherSession, encodeDestroySession } from '../encode.ts';
import { createdSession, direction, operation, type ServiceNumber, service } from '../wire.ts';

export type RawOptions = VirtioCryptoOptions & {
  readonly engine?: Engine;
  /** Features negotiated; none unless told. */
  readonly features?: bigint;
};

/** The answer of a data request: the bytes before the status, whatever was written there. */
export type RawAnswer = { readonly status: number; readonly result: Uint8Array; readonly written: number };

export const AES_CBC = 3;
/** What writable memory is full of before a request. */
export const mark = 0xee;

export class RawDriver {
  readonly device: VirtioCryptoDevice;
  readonly isRevision1: boolean;
  /** How the parts of every chain are cut. */
  cuts: readonly number[] = [];

  constructor({ engine = new OpensslEngine(), features = 0n, ...options }: RawOptions = {}) {
    this.device = new VirtioCryptoDevice(engine, options);
    this.device.activate(features);
    this.isRevision1 = (features & 1n) !== 0n;
  }

  /** Sends a chain as it is. @returns what the device says it wrote */
  send(queue: number, readable: Segments, writable: Segments): Promise<number> {
    return new Promise((resolve, reject) => {
      let isComplete = false;
      const request: VirtioRequest = {
        readable,
        writable,
        complete: (written) => {
          if (isComplete) reject(new Error('completed twice'));
          isComplete = true;
          resolve(written);
        },
        giveBack: () => reject(new Error('given back')),
      };
      Promise.resolve(this.device.handle(queue, request)).catch(reject);
      // As at the end of a run of the queue, in which all came that is sent in one turn.
      queueMicrotask(() => this.device.flush());
    });
  }

  /** A request of the control queue that creates a session. */
  async create(header: Uint8Array, ...keys: Uint8Array[]): Promise<{ id: bigint; status: number }> {
    const answer = new Uint8Array(createdSession.length).fill(mark);
    const readable = segmentsOf(Buffer.concat([header, ...keys]), this.cuts);
    const written = await this.send(this.#controlQueue, readable, segmentsOf(answer, this.cuts));
    if (written !== createdSession.length) throw new Error(`${written} bytes written`);
    const view = new DataView(answer.buffer);
    return {
      id: view.getBigUint64(createdSession.sessionId, true),
      status: view.getUint32(createdSession.status, true),
    };
  }

  /** @returns the status */
  async destroy(of: ServiceNumber, id: bigint): Promise<number> {
    const answer = new Uint8Array(1).fill(mark);
    const readable = segmentsOf(encodeDestroySession(of, id, this.isRevision1), this.cuts);
    const written = await this.send(this.#controlQueue, readable, segmentsOf(answer));
    if (written !== 1) throw new Error(`${written} bytes written`);
    return answer[0]!;
  }

  /** @param room for the result, in bytes */
  async operate(parts: readonly Uint8Array[], room: number, queue = 0): Promise<RawAnswer> {
    const writable = new Uint8Array(room + 1).fill(mark);
    const readable = segmentsOf(Buffer.concat(parts), this.cuts);
    const written = await this.send(queue, readable, segmentsOf(writable, this.cuts));
    return { status: writable[room]!, result: writable.subarray(0, room), written };
  }

  /** A session of AES-CBC that encrypts. */
  async cbc(key: Uint8Array): Promise<bigint> {
    const spec = { algo: AES_CBC, op: direction.ENCRYPT, keyLength: key.length };
    const { id, status } = await this.create(encodeCipherSession(spec, this.isRevision1), key);
    if (status !== 0) throw new Error(`no session: status ${status}`);
    return id;
  }

  encrypt(id: bigint, iv: Uint8Array, data: Uint8Array): Promise<RawAnswer> {
    const lengths = { ivLength: iv.length, sourceLength: data.length, destinationLength: data.length };
    const header = encodeCipherData({ id, operation: operation.ENCRYPT }, lengths);
    return this.operate([header, iv, data], data.length);
  }

  destroyCipher(id: bigint): Promise<number> {
    return this.destroy(service.CIPHER, id);
  }

  get #controlQueue(): number {
    return this.device.queueSizes.length - 1;
  }
}
