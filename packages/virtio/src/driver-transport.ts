/** What a driver needs of whatever connects it to its device, the same for all transports. */
import type { MemoryAllocator } from './memory-allocator.ts';
import type { RequestQueue } from './request-queue.ts';
import type { VirtioError } from './virtio-error.ts';

export interface StartOptions {
  /** The features of the device type to accept; those not offered are left out. None unless told. */
  readonly features?: bigint;
  /** Which of RING_FEATURES to accept; all unless told. VERSION_1 is always accepted. */
  readonly ringFeatures?: bigint;
}

export interface DriverTransport extends AsyncDisposable {
  /** Device type (VIRTIO 1.3, chapter 5). */
  readonly deviceId: number;
  readonly offeredFeatures: bigint;
  /** Features agreed on; 0 before `start`. */
  readonly features: bigint;
  /** One for each virtqueue of the device; they take requests from `start` on. */
  readonly queues: readonly RequestQueue[];
  /** The memory shared with the device. */
  readonly memory: MemoryAllocator;
  /** Why requests are refused; undefined while the device works. */
  readonly brokenReason: VirtioError | undefined;
  /** Resolves when the device breaks or dies; after a reset it is a new promise. It never rejects. */
  readonly broken: Promise<VirtioError>;

  /**
   * Initializes the device: VIRTIO 1.3, 3.1.1.
   * @returns the features agreed on
   * @throws {VirtioError} VIRTIO_FEATURES, VIRTIO_NEEDS_RESET, VIRTIO_DEVICE_DIED, VIRTIO_CLOSED
   */
  start(options?: StartOptions): Promise<bigint>;
  /**
   * Calls `listener` whenever the device says that its configuration space has changed (2.5), until the result is
   * disposed of. Not every transport hears of it, and a device that breaks is told of by `broken`.
   */
  onConfigChange(listener: () => void): Disposable;
  /** Reads the configuration space. @throws {VirtioError} VIRTIO_CONFIG_BOUNDS, or what ends a device */
  readConfig(offset: number, length: number): Promise<Uint8Array>;
  /** Writes to the configuration space. @throws {VirtioError} as `readConfig` */
  writeConfig(offset: number, bytes: Uint8Array): Promise<void>;
  /** Resets the device; requests under way are rejected with VIRTIO_NOT_STARTED. `start` may follow. */
  reset(): Promise<void>;
  /** Resets and releases the device; requests under way are rejected with VIRTIO_CLOSED. Closing twice is fine. */
  close(): Promise<void>;
}
