/** The part of a DriverTransport that is the same for all: initialization, queues, requests, failure. */
import { DriverQueue, indirectTablesSize } from './driver-queue.ts';
import type { DriverTransport, StartOptions } from './driver-transport.ts';
import {
  RING_FEATURES,
  STATUS_ACKNOWLEDGE,
  STATUS_DEVICE_NEEDS_RESET,
  STATUS_DRIVER,
  STATUS_DRIVER_OK,
  STATUS_FAILED,
  STATUS_FEATURES_OK,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_VERSION_1,
} from './features.ts';
import type { GuestRegion } from './guest-memory.ts';
import { MemoryAllocator } from './memory-allocator.ts';
import { type QueueHost, RequestQueue } from './request-queue.ts';
import { type QueueLayout, ringSizes } from './split-ring.ts';
import type { Transfer } from './transfer.ts';
import { asVirtioError, VirtioError } from './virtio-error.ts';

/** Guest-physical address of the memory that driver and device share where no machine prescribes one. */
export const GUEST_BASE = 0x10_0000;
/** Its size unless told, in bytes. */
export const MEMORY_SIZE_DEFAULT = 16 * 1024 * 1024;

/** What a transport learns from its device before anything else. */
export interface DeviceIdentity {
  readonly deviceId: number;
  readonly offeredFeatures: bigint;
  /** The largest size of each queue. */
  readonly queueSizes: readonly number[];
}

export abstract class TransportBase implements DriverTransport {
  readonly deviceId: number;
  readonly offeredFeatures: bigint;
  readonly queues: readonly RequestQueue[];
  readonly memory: MemoryAllocator;
  readonly #queueSizes: readonly number[];
  /** Ring memory of the queues that are set up. */
  #rings: number[] = [];
  #features = 0n;
  #live = false;
  #brokenReason: VirtioError | undefined;
  #broken = Promise.withResolvers<VirtioError>();
  #closing: Promise<void> | undefined;
  readonly #configListeners = new Set<() => void>();

  constructor(identity: DeviceIdentity, region: GuestRegion) {
    this.deviceId = identity.deviceId;
    this.offeredFeatures = identity.offeredFeatures;
    this.#queueSizes = identity.queueSizes;
    this.memory = new MemoryAllocator(region, () => this.#pumpAll());
    const host: QueueHost = {
      memory: this.memory,
      kick: (index) => this.kick(index),
      pendingChanged: (change) => this.pendingChanged(change),
    };
    this.queues = identity.queueSizes.map((_, index) => new RequestQueue(index, host));
  }

  get features(): bigint {
    return this.#features;
  }

  get brokenReason(): VirtioError | undefined {
    return this.#brokenReason;
  }

  get broken(): Promise<VirtioError> {
    return this.#broken.promise;
  }

  async start({ features = 0n, ringFeatures = RING_FEATURES }: StartOptions = {}): Promise<bigint> {
    await this.reset();
    await this.writeStatus(STATUS_ACKNOWLEDGE);
    await this.writeStatus(STATUS_ACKNOWLEDGE | STATUS_DRIVER);
    const ring = (ringFeatures & RING_FEATURES) | VIRTIO_F_VERSION_1;
    const accepted = this.offeredFeatures & ((features & ~RING_FEATURES) | ring);
    await this.writeFeatures(accepted);
    const agreed = STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK;
    const status = await this.writeStatus(agreed);
    if ((status & STATUS_FEATURES_OK) === 0) {
      await this.writeStatus(STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FAILED);
      const message = `the device refuses the features 0x${accepted.toString(16)}`;
      throw new VirtioError('VIRTIO_FEATURES', message);
    }
    this.#features = accepted;
    const opened: DriverQueue<Transfer>[] = [];
    for (const index of this.queues.keys()) opened.push(await this.#setUpQueue(index));
    await this.writeStatus(agreed | STATUS_DRIVER_OK);
    if (this.#brokenReason !== undefined) throw this.#brokenReason;
    this.#live = true;
    for (const [index, queue] of opened.entries()) this.queues[index]!.open(queue);
    return accepted;
  }

  onConfigChange(listener: () => void): Disposable {
    // One function may listen twice.
    const call = () => listener();
    this.#configListeners.add(call);
    return { [Symbol.dispose]: () => void this.#configListeners.delete(call) };
  }

  abstract readConfig(offset: number, length: number): Promise<Uint8Array>;
  abstract writeConfig(offset: number, bytes: Uint8Array): Promise<void>;

  async reset(): Promise<void> {
    this.#throwIfClosed();
    this.#shut(new VirtioError('VIRTIO_NOT_STARTED', 'the device was reset: call start() first'));
    const status = await this.writeStatus(0);
    if (status !== 0) {
      const message = `the device does not reset, its status is ${status}`;
      throw this.#brokenReason ?? new VirtioError('VIRTIO_NEEDS_RESET', message);
    }
    if (this.#brokenReason !== undefined) {
      this.#brokenReason = undefined;
      this.#broken = Promise.withResolvers();
    }
    for (const queue of this.queues) queue.releaseOrphans();
    for (const address of this.#rings.splice(0)) this.memory.release(address);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Writes the device status field. @returns what it is afterwards */
  protected abstract writeStatus(status: number): Promise<number>;
  protected abstract writeFeatures(features: bigint): Promise<void>;
  protected abstract enableQueue(index: number, layout: QueueLayout): Promise<void>;
  /** Available buffer notification. */
  protected abstract kick(index: number): void;
  /** Ends the device; called once. */
  protected abstract closeDevice(): Promise<void>;
  /** Requests that wait for an answer: for transports that keep something alive meanwhile. */
  protected pendingChanged(_change: 1 | -1): void {}

  /** For the transport: used buffer notification. */
  protected usedBuffers(index: number): void {
    if (!this.#live) return;
    try {
      this.queues[index]!.reap();
    } catch (error) {
      this.fail(asVirtioError(error, 'VIRTIO_DEVICE_FAILED', 'the answers of the device cannot be read'));
    }
  }

  /** For the transport: configuration change notification. */
  protected configChanged(): void {
    if (this.#live) for (const listener of [...this.#configListeners]) listener();
  }

  /** For the transport: the status shows DEVICE_NEEDS_RESET, for this reason. */
  protected needsReset(status: number, reason: string): void {
    if ((status & STATUS_DEVICE_NEEDS_RESET) === 0) return;
    this.fail(new VirtioError('VIRTIO_NEEDS_RESET', `the device is broken until a reset: ${reason}`));
  }

  /** For the transport: nothing more is to be expected of the device, until a reset or for good. */
  protected fail(reason: VirtioError): void {
    if (this.#brokenReason !== undefined || this.#closing !== undefined) return;
    this.#brokenReason = reason;
    this.#shut(reason);
    this.#broken.resolve(reason);
  }

  #shut(reason: VirtioError): void {
    this.#live = false;
    this.#features = 0n;
    for (const queue of this.queues) queue.shut(reason);
  }

  async #close(): Promise<void> {
    this.#shut(new VirtioError('VIRTIO_CLOSED', 'the device was closed'));
    await this.closeDevice();
  }

  #throwIfClosed(): void {
    if (this.#closing !== undefined) throw new VirtioError('VIRTIO_CLOSED', 'the device was closed');
  }

  async #setUpQueue(index: number): Promise<DriverQueue<Transfer>> {
    const size = this.#queueSizes[index]!;
    const bytes = ringSizes(size);
    const tables = indirectTablesSize(size);
    const usedOffset = bytes.descriptorTable + tables;
    const availableOffset = usedOffset + bytes.usedRing;
    const total = availableOffset + bytes.availableRing;
    const base = this.memory.reserve(total);
    if (base === undefined) {
      throw new VirtioError(
        'VIRTIO_OUT_OF_MEMORY',
        `there is no room for the ${total} bytes of queue ${index}`,
      );
    }
    this.#rings.push(base);
    const layout: QueueLayout = {
      size,
      descriptorTable: base,
      usedRing: base + usedOffset,
      availableRing: base + availableOffset,
    };
    const queue = new DriverQueue<Transfer>(this.memory.region, layout, {
      eventIdx: (this.#features & VIRTIO_F_EVENT_IDX) !== 0n,
      ...((this.#features & VIRTIO_F_INDIRECT_DESC) !== 0n && {
        indirectTables: base + bytes.descriptorTable,
      }),
    });
    await this.enableQueue(index, layout);
    return queue;
  }

  #pumpAll(): void {
    for (const queue of this.queues) queue.pump();
  }
}
