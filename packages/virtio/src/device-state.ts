/**
 * A virtio device as its driver sees it, whatever bus lies between: status, features, configuration space,
 * queues and reset (VIRTIO 1.3, sections 2.1 to 2.6 and 3.1). A transport translates its own registers or
 * messages into calls of this, and carries the three notifications.
 *
 * The driver is not trusted. A rule broken breaks this device (DEVICE_NEEDS_RESET, `brokenReason`) until
 * the driver resets it; nothing throws because of what a driver did, except where said.
 */
import {
  DEVICE_TYPE_FEATURES,
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
import type { GuestMemory } from './guest-memory.ts';
import { isQueueSize, type QueueLayout } from './split-ring.ts';
import {
  type QueueIndices,
  SplitVirtqueue,
  type TakenRequest,
  type VirtqueueOptions,
} from './split-virtqueue.ts';
import type { VirtioDevice, VirtioRequest } from './virtio-device.ts';
import { asVirtioError, VirtioError, VirtqueueError } from './virtio-error.ts';

/** What a transport carries to the driver (VIRTIO 1.3, 2.3). Called in the middle of other calls: do not call back. */
export interface DeviceNotifications {
  /** Used buffer notification. */
  usedBuffers(queueIndex: number): void;
  /** Configuration change notification; also sent when the device breaks after DRIVER_OK (2.1.2). */
  configChanged(): void;
  /** The reset that the driver asked for is complete: `status` is 0 now. */
  resetDone?(): void;
  /** The device is about to get this request. */
  handing?(request: VirtioRequest): void;
  /** The last of the requests that were under way has completed, outside of `run`: `isBusy` is false now. */
  idle?(): void;
}

/** Where a transport departs from what was negotiated; see VirtqueueOptions. */
export type QueueOverrides = Partial<Omit<VirtqueueOptions, 'onUsed'>>;

/** The order in which a driver sets the bits (VIRTIO 1.3, 3.1.1). */
const STATUS_ORDER = [STATUS_ACKNOWLEDGE, STATUS_DRIVER, STATUS_FEATURES_OK, STATUS_DRIVER_OK];
const DRIVER_STATUS_BITS = STATUS_ORDER.reduce((all, bit) => all | bit) | STATUS_FAILED;

/**
 * In a long run of requests, how many complete before the clock is looked at, and after how many milliseconds the
 * driver is notified of them. To wake a thread or a machine costs as much as dozens of short requests.
 */
const LOOK_EVERY = 8;
const NOTIFY_AFTER = 0.04;

export class DeviceState {
  readonly device: VirtioDevice;
  /** The features offered: the device's own and RING_FEATURES. */
  readonly offeredFeatures: bigint;
  readonly #memory: GuestMemory;
  readonly #notify: DeviceNotifications;
  readonly #queues: (SplitVirtqueue | undefined)[];
  /** Of each queue the life that is the last since the reset, be it over. */
  readonly #lastQueues: (SplitVirtqueue | undefined)[];
  /** The queues that the device was told to start, and not yet to stop. */
  readonly #started = new Set<number>();
  #status = 0;
  #driverFeatures = 0n;
  #brokenReason: VirtioError | undefined;
  /** Counts resets: what a request of an earlier life does to the device is of no interest. */
  #life = 0;
  #resetting = false;
  /** Queues of an earlier life whose requests are still under way. */
  #draining = 0;
  /** Promises of `handle` that have not settled. */
  #unsettled = 0;
  #runningQueue = -1;
  #knownConfig: Uint8Array;
  #configGeneration = 0;

  /** @throws {RangeError} if the device offers features that are not its type's, or a queue size that cannot be */
  constructor(device: VirtioDevice, memory: GuestMemory, notify: DeviceNotifications) {
    if ((device.features & ~DEVICE_TYPE_FEATURES) !== 0n) {
      throw new RangeError(
        `device features 0x${device.features.toString(16)} has bits outside of 0-23 and 50-127`,
      );
    }
    const badSize = device.queueSizes.find((size) => !isQueueSize(size));
    if (badSize !== undefined)
      throw new RangeError(`queue size ${badSize} is not a power of two up to 32768`);
    this.device = device;
    this.offeredFeatures = device.features | RING_FEATURES;
    this.#memory = memory;
    this.#notify = notify;
    this.#queues = device.queueSizes.map(() => undefined);
    this.#lastQueues = [...this.#queues];
    this.#knownConfig = device.config.slice();
  }

  /** The device status field (VIRTIO 1.3, 2.1). */
  get status(): number {
    return this.#status;
  }

  /** Why DEVICE_NEEDS_RESET is set; undefined while the device works. */
  get brokenReason(): VirtioError | undefined {
    return this.#brokenReason;
  }

  get driverFeatures(): bigint {
    return this.#driverFeatures;
  }

  /** Whether the driver has set DRIVER_OK and neither side has given up. */
  get isLive(): boolean {
    const bits = STATUS_DRIVER_OK | STATUS_FAILED | STATUS_DEVICE_NEEDS_RESET;
    return (this.#status & bits) === STATUS_DRIVER_OK && !this.#resetting;
  }

  /** Whether the device has something under way, be it for queues that are stopped. */
  get isBusy(): boolean {
    return (
      this.#unsettled > 0 ||
      this.#draining > 0 ||
      this.#queues.some((queue) => queue !== undefined && queue.inFlight > 0)
    );
  }

  /**
   * The driver wrote the status field. 0 resets the device; bits are set in order and never cleared;
   * FEATURES_OK stays unset if the features are refused (VIRTIO 1.3, 2.1, 2.2, 3.1.1).
   */
  writeStatus(value: number): void {
    if (value === 0) this.reset();
    else if (!this.#resetting) this.#advanceStatus(value);
  }

  /** The driver wrote the features it accepts; whether they can be is decided at FEATURES_OK. */
  writeDriverFeatures(features: bigint): void {
    if ((this.#status & STATUS_FEATURES_OK) !== 0) {
      this.break(new VirtioError('VIRTIO_FEATURES', 'the driver changed its features after FEATURES_OK'));
      return;
    }
    this.#driverFeatures = features;
  }

  /** Changes whenever the configuration space may have (VIRTIO 1.3, 2.5); 32 bits. */
  get configGeneration(): number {
    const { config } = this.device;
    if (!equalBytes(config, this.#knownConfig)) {
      this.#knownConfig = config.slice();
      this.#configGeneration = (this.#configGeneration + 1) >>> 0;
    }
    return this.#configGeneration;
  }

  /**
   * A copy of `length` bytes of the configuration space.
   * @throws {VirtioError} VIRTIO_CONFIG_BOUNDS; what the driver then gets is the transport's to say
   */
  readConfig(offset: number, length: number): Uint8Array {
    this.#checkConfigBounds(offset, length);
    return this.device.config.slice(offset, offset + length);
  }

  /**
   * The driver wrote to the configuration space. Ignored by a device that has nothing to write there.
   * @throws {VirtioError} VIRTIO_CONFIG_BOUNDS
   */
  writeConfig(offset: number, bytes: Uint8Array): void {
    this.#checkConfigBounds(offset, bytes.length);
    this.#guard(() => this.device.writeConfig?.(offset, bytes));
  }

  /**
   * The driver enables a queue whose parts it has laid out. Features must be agreed on by then.
   * @param overrides for transports that know better than the negotiation, or resume a queue
   */
  enableQueue(index: number, layout: QueueLayout, overrides: QueueOverrides = {}): void {
    if (this.#brokenReason !== undefined || this.#resetting) return;
    const refusal = this.#whyNotEnable(index, layout);
    if (refusal !== undefined) {
      this.break(refusal);
      return;
    }
    try {
      const queue = new SplitVirtqueue(this.#memory, layout, {
        indirect: (this.#driverFeatures & VIRTIO_F_INDIRECT_DESC) !== 0n,
        eventIdx: (this.#driverFeatures & VIRTIO_F_EVENT_IDX) !== 0n,
        ...overrides,
        onUsed: () => this.#onUsed(index),
      });
      this.#queues[index] = queue;
      this.#lastQueues[index] = queue;
    } catch (error) {
      this.break(asVirtioError(error, 'VIRTQUEUE_RING_OUTSIDE_MEMORY', `queue ${index} cannot be mapped`));
      return;
    }
    if (this.isLive) this.#tellStarted(index);
  }

  isQueueEnabled(index: number): boolean {
    return this.#queues[index] !== undefined;
  }

  /**
   * Stops one queue so that it can go on: the device is told, requests under way are completed or given back.
   * @param stopped called once no request of the queue is under way and it is not enabled any more, with where its
   *   rings stand: undefined if it was not enabled since the last reset
   */
  stopQueue(index: number, stopped: (indices: QueueIndices | undefined) => void): void {
    const queue = this.#lastQueues[index];
    if (queue === undefined) {
      stopped(undefined);
      return;
    }
    if (this.#queues[index] === queue) {
      queue.quiesce();
      this.#tellStopped(index);
    }
    queue.whenDrained(() => {
      if (this.#queues[index] === queue) this.#queues[index] = undefined;
      stopped(queue.indices);
      this.#notifyIdle();
    });
  }

  /** Stops one queue for good. Answers of its requests under way are dropped; `drained` is called when there are none. */
  disableQueue(index: number, drained?: () => void): void {
    const queue = this.#queues[index];
    if (queue !== undefined) this.#dropQueue(index, queue, drained);
  }

  /** The memory table was replaced: the rings are looked up in the new one. */
  memoryChanged(): void {
    try {
      for (const queue of this.#queues) queue?.remap();
    } catch (error) {
      this.break(asVirtioError(error, 'VIRTQUEUE_RING_OUTSIDE_MEMORY', 'the queues cannot be mapped'));
    }
  }

  /**
   * The driver notified of available buffers: passes them to the device, at most as many as the queue has
   * descriptors, so that one queue does not hold up the others.
   * @param quietly the driver is not asked to notify of more: look by `hasRequests`, or ask by `askForKicks`
   * @returns whether there are more, of which the driver will not notify again: call again, in your time
   */
  run(index: number, quietly = false): boolean {
    if ((this.#status & (STATUS_DEVICE_NEEDS_RESET | STATUS_FAILED)) !== 0 || this.#resetting) return false;
    const queue = this.#queues[index];
    if (queue === undefined || !this.isLive) {
      const why = queue === undefined ? 'is not enabled' : 'was used before DRIVER_OK';
      this.break(new VirtqueueError('VIRTQUEUE_NOT_READY', `queue ${index} ${why}`));
      return false;
    }
    this.#runningQueue = index;
    try {
      if (!this.#runQueue(index, queue)) return false;
      return quietly ? queue.hasMore : queue.allowKicks();
    } finally {
      this.#runningQueue = -1;
    }
  }

  /** Whether a queue that was run quietly has requests, without asking the driver to notify of them. */
  hasRequests(index: number): boolean {
    return this.isLive && this.#queues[index]?.hasMore === true;
  }

  /**
   * Asks the driver to notify of what it makes available from now on, after a quiet run.
   * @returns whether there is something already, of which it may not notify: run the queue
   */
  askForKicks(index: number): boolean {
    return this.isLive && this.#queues[index]?.allowKicks() === true;
  }

  /** Sets DEVICE_NEEDS_RESET: the queues stop; the driver is notified (VIRTIO 1.3, 2.1.2). The first reason counts. */
  break(reason: VirtioError): void {
    if (this.#brokenReason !== undefined) return;
    const wasLive = this.isLive;
    this.#brokenReason = reason;
    this.#status |= STATUS_DEVICE_NEEDS_RESET;
    this.#dropQueues();
    if (wasLive) this.#notify.configChanged();
  }

  /**
   * Resets the device (VIRTIO 1.3, 2.4). The status becomes 0 when nothing is under way any more that could
   * touch the guest's memory: at once, unless the device works asynchronously.
   */
  reset(): void {
    if (this.#resetting) return;
    this.#life += 1;
    this.#dropQueues();
    this.#lastQueues.fill(undefined);
    try {
      this.device.reset();
      this.#brokenReason = undefined;
    } catch (error) {
      this.#brokenReason = asVirtioError(error, 'VIRTIO_DEVICE_FAILED', 'the device failed to reset');
    }
    this.#resetting = true;
    if (this.#draining === 0) this.#finishReset();
  }

  /** Resets the device and releases it. */
  async close(): Promise<void> {
    this.reset();
    await this.device.close();
  }

  #advanceStatus(value: number): void {
    const asked = value & DRIVER_STATUS_BITS;
    const known = this.#status & DRIVER_STATUS_BITS;
    if ((known & ~asked) !== 0) {
      const bits = (known & ~asked).toString(16);
      this.break(new VirtioError('VIRTIO_STATUS', `the driver cleared the status bits 0x${bits}`));
      return;
    }
    for (const [i, bit] of STATUS_ORDER.entries()) {
      if ((asked & bit) === 0 || (this.#status & bit) !== 0) continue;
      const before = STATUS_ORDER[i - 1] ?? 0;
      if ((this.#status & before) !== before) {
        const message = `the driver set status bit ${bit} before ${before}, or in spite of its refusal`;
        this.break(new VirtioError('VIRTIO_STATUS', message));
        return;
      }
      this.#setStatusBit(bit);
    }
    this.#status |= asked & STATUS_FAILED;
  }

  #setStatusBit(bit: number): void {
    if (bit === STATUS_FEATURES_OK && !this.#areFeaturesAcceptable()) return;
    this.#status |= bit;
    if (bit !== STATUS_DRIVER_OK) return;
    const driver = { configChanged: this.#configChangedOf(this.#life) };
    this.#guard(() => this.device.activate?.(this.#driverFeatures, driver));
    for (const [index, queue] of this.#queues.entries()) if (queue !== undefined) this.#tellStarted(index);
  }

  /** What a device was given for one driver says nothing to the next. */
  #configChangedOf(life: number): () => void {
    return () => {
      if (life === this.#life && this.isLive) this.#notify.configChanged();
    };
  }

  #tellStarted(index: number): void {
    // The device may have failed meanwhile.
    if (!this.isQueueEnabled(index)) return;
    this.#started.add(index);
    this.#guard(() => this.device.startQueue?.(index));
  }

  #tellStopped(index: number): void {
    if (this.#started.delete(index)) this.#guard(() => this.device.stopQueue?.(index));
  }

  /** Legacy drivers, those without VERSION_1, are not served. */
  #areFeaturesAcceptable(): boolean {
    const accepted = this.#driverFeatures;
    return (accepted & ~this.offeredFeatures) === 0n && (accepted & VIRTIO_F_VERSION_1) !== 0n;
  }

  #checkConfigBounds(offset: number, length: number): void {
    const size = this.device.config.length;
    if (!(Number.isInteger(offset) && offset >= 0 && length >= 0 && offset + length <= size)) {
      const message = `${length} bytes at ${offset} are outside of a configuration space of ${size}`;
      throw new VirtioError('VIRTIO_CONFIG_BOUNDS', message);
    }
  }

  #whyNotEnable(index: number, layout: QueueLayout): VirtioError | undefined {
    const max = this.device.queueSizes[index];
    if (max === undefined) {
      return new VirtioError('VIRTIO_QUEUE_INDEX', `there is no queue ${index} of ${this.#queues.length}`);
    }
    if ((this.#status & STATUS_FEATURES_OK) === 0) {
      return new VirtioError('VIRTIO_STATUS', `queue ${index} was enabled before FEATURES_OK`);
    }
    if (this.#queues[index] !== undefined) {
      return new VirtioError('VIRTIO_STATUS', `queue ${index} was enabled twice`);
    }
    if (!isQueueSize(layout.size, max)) {
      const message = `queue ${index}: size ${layout.size} is not a power of two up to ${max}`;
      return new VirtqueueError('VIRTQUEUE_SIZE', message);
    }
    return undefined;
  }

  /** @returns whether the queue is still there */
  #runQueue(index: number, queue: SplitVirtqueue): boolean {
    try {
      queue.suppressKicks();
      queue.beginBatch();
      this.#takeRequests(index, queue);
    } catch (error) {
      // What is not a violation is memory that was taken away under us.
      this.break(asVirtioError(error, 'VIRTQUEUE_OUTSIDE_MEMORY', `queue ${index} cannot be read`));
    }
    // However the run ended: what the device batched is under way until then.
    this.#guard(() => this.device.flush?.(index));
    if (this.#queues[index] !== queue) return false;
    queue.endBatch();
    this.#notifyUsed(index, queue);
    return true;
  }

  #takeRequests(index: number, queue: SplitVirtqueue): void {
    let notified = performance.now();
    for (let i = 1; i <= queue.layout.size; i++) {
      const request = queue.take();
      if (request === undefined) return;
      this.#handle(index, queue, request);
      if (this.#queues[index] !== queue) return;
      if (i % LOOK_EVERY !== 0) continue;
      queue.publish();
      if (performance.now() < notified + NOTIFY_AFTER) continue;
      this.#notifyUsed(index, queue);
      notified = performance.now();
    }
  }

  #handle(index: number, queue: SplitVirtqueue, request: TakenRequest): void {
    const { serial } = request;
    const life = this.#life;
    this.#notify.handing?.(request);
    try {
      const result = this.device.handle(index, request);
      if (result !== undefined) this.#follow(result, life, queue, request, serial);
    } catch (error) {
      this.#failed(error, life, queue, request, serial);
    }
  }

  #follow(
    result: Promise<void>,
    life: number,
    queue: SplitVirtqueue,
    request: TakenRequest,
    serial: number,
  ): void {
    this.#unsettled += 1;
    const settled = () => {
      this.#unsettled -= 1;
      this.#notifyIdle();
    };
    result.catch((error) => this.#failed(error, life, queue, request, serial)).then(settled);
  }

  #failed(error: unknown, life: number, queue: SplitVirtqueue, request: TakenRequest, serial: number): void {
    if (life === this.#life) this.#breakFailed(error);
    queue.giveUp(request, serial);
  }

  #guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#breakFailed(error);
    }
  }

  #breakFailed(error: unknown): void {
    this.break(asVirtioError(error, 'VIRTIO_DEVICE_FAILED', 'the device failed'));
  }

  #onUsed(index: number): void {
    // What completes in a run is notified of by the run.
    const queue = this.#queues[index];
    if (queue === undefined || this.#runningQueue === index) return;
    this.#notifyUsed(index, queue);
    this.#notifyIdle();
  }

  #notifyIdle(): void {
    if (!this.isBusy) this.#notify.idle?.();
  }

  #notifyUsed(index: number, queue: SplitVirtqueue): void {
    if (queue.wantsInterrupt()) this.#notify.usedBuffers(index);
  }

  #dropQueues(): void {
    this.#queues.forEach((queue, index) => {
      if (queue !== undefined) this.#dropQueue(index, queue);
    });
  }

  #dropQueue(index: number, queue: SplitVirtqueue, drained?: () => void): void {
    this.#queues[index] = undefined;
    this.#draining += 1;
    queue.stop();
    const wasIdle = queue.inFlight === 0;
    this.#tellStopped(index);
    queue.whenDrained(() => {
      this.#draining -= 1;
      drained?.();
      if (this.#resetting && this.#draining === 0) this.#finishReset();
      if (!wasIdle) this.#notifyIdle();
    });
  }

  #finishReset(): void {
    this.#resetting = false;
    this.#driverFeatures = 0n;
    this.#status = this.#brokenReason === undefined ? 0 : STATUS_DEVICE_NEEDS_RESET;
    this.#notify.resetDone?.();
  }
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
