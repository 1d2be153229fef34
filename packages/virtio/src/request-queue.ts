/**
 * What a driver sends its requests through: promises for answers over a DriverQueue. Requests become
 * available to the device in the order of the calls; those for which there is no room wait.
 */
import type { DriverQueue, GuestRange } from './driver-queue.ts';
import { Fifo } from './fifo.ts';
import type { MemoryAllocator } from './memory-allocator.ts';
import { BufferTransfer, CopyTransfer, type Transfer } from './transfer.ts';
import { asVirtioError, VirtioError } from './virtio-error.ts';

export interface RequestOptions {
  /** Overwrite the request and its answer in shared memory once it is done: for keys. */
  readonly wipe?: boolean;
}

/** What a queue needs of its transport. */
export interface QueueHost {
  readonly memory: MemoryAllocator;
  /** Notifies the device of available buffers. */
  kick(index: number): void;
  /** The number of requests that wait for an answer changed by this. */
  pendingChanged(change: 1 | -1): void;
}

/** How many requests may wait for room; who sends more without awaiting answers is refused. */
const WAITING_MAX = 65536;

export class RequestQueue {
  readonly index: number;
  readonly #host: QueueHost;
  #queue: DriverQueue<Transfer> | undefined;
  #refusal = new VirtioError('VIRTIO_NOT_STARTED', 'the device is not started: call start() first');
  readonly #waiting = new Fifo<Transfer>();
  #isPumping = false;
  /** Given up, but in memory that the device may use until it is reset. */
  #orphans: Transfer[] = [];
  readonly #answered = (transfer: Transfer, written: number): void => {
    this.#host.pendingChanged(-1);
    transfer.done(written);
  };

  constructor(index: number, host: QueueHost) {
    this.index = index;
    this.#host = host;
  }

  /** Most requests that can be in flight; 0 before start. */
  get size(): number {
    return this.#queue?.layout.size ?? 0;
  }

  /**
   * Sends `readable`, copied into shared memory at once, with room for an answer of `writableLength` bytes.
   * @returns a copy of what the device says it wrote
   * @throws {VirtioError} VIRTIO_INVALID_REQUEST, VIRTIO_OUT_OF_MEMORY, VIRTIO_BUSY, and what ends a device: VIRTIO_NOT_STARTED,
   *   VIRTIO_NEEDS_RESET, VIRTIO_DEVICE_DIED, VIRTIO_CLOSED
   */
  request(
    readable: Uint8Array | readonly Uint8Array[],
    writableLength: number,
    { wipe = false }: RequestOptions = {},
  ): Promise<Uint8Array<ArrayBuffer>> {
    const parts = readable instanceof Uint8Array ? [readable] : readable;
    const { memory } = this.#host;
    return new Promise((resolve, reject) => {
      this.send(new CopyTransfer(memory, parts, writableLength, wipe, resolve, reject));
    });
  }

  /**
   * Sends ranges of shared memory as they are, without a copy (`transport.memory.allocate`). They are the
   * device's until the promise settles; if it rejects, until `transport.reset()` or `close()`.
   * @returns how many bytes the device wrote, from the start of the first writable range
   * @throws as `request`
   */
  submit(readable: readonly GuestRange[], writable: readonly GuestRange[]): Promise<number> {
    return new Promise((resolve, reject) => {
      this.send(new BufferTransfer(readable, writable, resolve, reject));
    });
  }

  /**
   * Sends a request of the caller's own kind, for drivers that reuse theirs. If it cannot be sent it is released
   * and fails, with the errors of `request`.
   */
  send(transfer: Transfer): void {
    const queue = this.#queue;
    if (queue === undefined) {
      refuse(transfer, this.#refusal);
      return;
    }
    const isFirst = this.#waiting.length === 0;
    if (this.#waiting.length >= WAITING_MAX) {
      const message = `${WAITING_MAX} requests wait for room already: await some of the answers`;
      refuse(transfer, new VirtioError('VIRTIO_BUSY', message));
      return;
    }
    this.#host.pendingChanged(1);
    if (!isFirst || !this.#place(queue, transfer)) {
      transfer.keep();
      this.#waiting.push(transfer);
      return;
    }
    if (queue.wantsKick()) this.#host.kick(this.index);
  }

  /** For the transport: the device is ready for requests in `queue`. */
  open(queue: DriverQueue<Transfer>): void {
    this.#queue = queue;
  }

  /** For the transport: nothing more is to be expected of the device. All requests fail with `reason`. */
  shut(reason: VirtioError): void {
    this.#refusal = reason;
    const given: Transfer[] = [];
    this.#queue?.abandon((transfer) => given.push(transfer));
    this.#orphans.push(...given);
    const waiting = this.#waiting.drain();
    this.#queue = undefined;
    for (const transfer of given) {
      this.#host.pendingChanged(-1);
      transfer.fail(reason);
    }
    for (const transfer of waiting) {
      this.#host.pendingChanged(-1);
      refuse(transfer, reason);
    }
  }

  /** For the transport: the device has been reset, it touches no memory any more. */
  releaseOrphans(): void {
    for (const transfer of this.#orphans.splice(0)) transfer.release();
  }

  /**
   * For the transport: takes the answers that are there.
   * @throws {VirtqueueError} if the device answers what was not asked
   */
  reap(): void {
    const queue = this.#queue;
    if (queue === undefined) return;
    queue.suppressInterrupts();
    do queue.reap(this.#answered);
    while (queue.enableInterrupts());
    this.pump();
  }

  /** For the transport: there may be room now for requests that wait. */
  pump(): void {
    const queue = this.#queue;
    // A request that finds memory but no descriptors gives the memory back, which is a reason to come here.
    if (queue === undefined || this.#waiting.length === 0 || this.#isPumping) return;
    this.#isPumping = true;
    try {
      while (this.#waiting.length > 0 && this.#place(queue, this.#waiting.peek()!)) this.#waiting.shift();
    } finally {
      this.#isPumping = false;
    }
    if (queue.wantsKick()) this.#host.kick(this.index);
  }

  /** @returns false if there is no room: whatever else, the transfer is settled or in the queue */
  #place(queue: DriverQueue<Transfer>, transfer: Transfer): boolean {
    try {
      return transfer.place(queue);
    } catch (error) {
      this.#host.pendingChanged(-1);
      refuse(transfer, asVirtioError(error, 'VIRTIO_INVALID_REQUEST', 'the request cannot be sent'));
      return true;
    }
  }
}

/** For a request that the device has never seen. */
function refuse(transfer: Transfer, reason: VirtioError): void {
  transfer.release();
  transfer.fail(reason);
}
