/** The driver's way to the device: creates and destroys sessions, sends operations, makes errors of statuses. */
import type { DriverTransport, RequestQueue } from '@skytale/virtio';
import type { Bytes } from '../crypto-device.ts';
import { CryptoError } from '../crypto-error.ts';
import { asCryptoError } from '../driver-error.ts';
import { encodeDestroySession } from './encode.ts';
import { OperationTransfer } from './operation-transfer.ts';
import { throwUnlessOk, tooShort } from './status-error.ts';
import { createdSession, type DeviceConfig, type ServiceNumber, status } from './wire.ts';

/** How many transfers are kept for the next operations; more in flight are made anew. */
const maxIdle = 256;

export class RequestPort {
  readonly config: DeviceConfig;
  readonly isRevision1: boolean;
  readonly #transport: DriverTransport;
  readonly #control: RequestQueue;
  readonly #dataQueues: readonly RequestQueue[];
  #nextQueue = 0;
  readonly #idle: OperationTransfer[] = [];
  readonly #recycle = (transfer: OperationTransfer): void => {
    if (this.#idle.length < maxIdle) this.#idle.push(transfer);
  };

  constructor(transport: DriverTransport, config: DeviceConfig, isRevision1: boolean) {
    this.config = config;
    this.isRevision1 = isRevision1;
    this.#transport = transport;
    this.#control = transport.queues[config.maxDataQueues]!;
    this.#dataQueues = transport.queues.slice(0, config.maxDataQueues);
  }

  /** Sessions take the data queues in turn: one's operations all take the same, and so keep their order. */
  takeQueue(): RequestQueue {
    const queue = this.#dataQueues[this.#nextQueue % this.#dataQueues.length]!;
    this.#nextQueue += 1;
    return queue;
  }

  /** @throws {CryptoError} what the status says */
  async createSession(header: Uint8Array, keys: readonly Uint8Array[]): Promise<bigint> {
    const answer = await sent(
      this.#control.request([header, ...keys], createdSession.length, { wipe: true }),
    );
    if (answer.length !== createdSession.length) throw tooShort(answer.length, createdSession.length);
    const view = new DataView(answer.buffer);
    throwUnlessOk(view.getUint32(createdSession.status, true));
    return view.getBigUint64(createdSession.sessionId, true);
  }

  /** @throws {CryptoError} what the status says */
  async destroySession(service: ServiceNumber, id: bigint): Promise<void> {
    const answer = await sent(this.#control.request(encodeDestroySession(service, id, this.isRevision1), 1));
    throwUnlessOk(answer[0] ?? status.ERR);
  }

  /**
   * Sends an operation: its parts are copied at once.
   * @param output for the result, long enough; undefined for an array of its own
   * @param wipe there is a key among the parts
   * @returns the result; its length if there is an `output`. Rejects with what the status says.
   * @throws {CryptoError} CRYPTO_INVALID_DATA_LENGTH
   */
  operateInto(
    queue: RequestQueue,
    parts: readonly Uint8Array[],
    resultLength: number,
    output: Uint8Array | undefined,
    wipe = false,
  ): Promise<Bytes | number> {
    this.#checkSize(parts, resultLength);
    const transfer = this.#idle.pop() ?? new OperationTransfer(this.#transport.memory, this.#recycle);
    const result = transfer.begin(parts, resultLength, output, wipe);
    queue.send(transfer);
    return result;
  }

  /** The same with an array for the result. @throws {CryptoError} what the status says */
  async operate(
    queue: RequestQueue,
    parts: readonly Uint8Array[],
    resultLength: number,
    wipe = false,
  ): Promise<Bytes> {
    return (await this.operateInto(queue, parts, resultLength, undefined, wipe)) as Bytes;
  }

  /**
   * The same where the result may be shorter than there is room for: the status is in the last byte all the
   * same, which a copy of what was written does not show.
   */
  async operateUpTo(queue: RequestQueue, parts: readonly Uint8Array[], room: number): Promise<Bytes> {
    this.#checkSize(parts, room);
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const buffer = this.#allocate(length + room + 1);
    try {
      let at = 0;
      for (const part of parts) {
        buffer.bytes.set(part, at);
        at += part.length;
      }
      // Not what was there before.
      buffer.bytes.fill(status.ERR, length);
      const answer = { address: buffer.address + length, length: room + 1 };
      const written = await sent(queue.submit([{ address: buffer.address, length }], [answer]));
      throwUnlessOk(buffer.bytes[length + room]!);
      return Uint8Array.from(buffer.bytes.subarray(length, length + Math.max(written - 1, 0)));
    } finally {
      buffer.free({ wipe: true });
    }
  }

  close(): Promise<void> {
    return this.#transport.close();
  }

  #allocate(length: number): ReturnType<DriverTransport['memory']['allocate']> {
    try {
      return this.#transport.memory.allocate(length);
    } catch (error) {
      throw asCryptoError(error);
    }
  }

  /** The standard's `max_size` counts all but the header, whose length it leaves open: here it is counted as well. */
  #checkSize(parts: readonly Uint8Array[], resultLength: number): void {
    let size = resultLength;
    for (const part of parts) size += part.length;
    if (size <= this.config.maxSize) return;
    throw new CryptoError(
      'CRYPTO_INVALID_DATA_LENGTH',
      `a request of ${size} bytes; the device takes no more than ${this.config.maxSize}`,
    );
  }
}

async function sent<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw asCryptoError(error);
  }
}
