/**
 * What a virtio device is, to everything that can carry one (in-process, vhost-user, an emulator): the
 * device knows nothing of rings, memory or interrupts, and a transport knows nothing of what it carries.
 */
import type { Segments } from './segments.ts';

/**
 * One descriptor chain, taken from a virtqueue and checked. The device reads `readable`, writes `writable`
 * and calls `complete` exactly once, now or later, or `giveBack` instead when the queue is stopped. Until then both
 * lists stay valid; after it they do not.
 *
 * The memory is the driver's, who may change it at any time: read a field once, into memory of your own,
 * and check the copy.
 */
export interface VirtioRequest {
  /** The device-readable part (VIRTIO 1.3, 2.7.4.2), in order. */
  readonly readable: Segments;
  /** The device-writable part, in order. */
  readonly writable: Segments;
  /**
   * Returns the chain to the driver through the used ring.
   * @param written bytes written, counted from the start of `writable`
   */
  complete(written: number): void;
  /**
   * Returns the chain unused: only from `stopQueue` on, until `startQueue`. It is offered again when the queue goes
   * on. Where that cannot be, because a request that was taken after it has been used and nobody keeps a record of
   * those that were not, the driver gets it back as used, as by `complete(written)`: a device whose answers must
   * not be empty writes one before.
   * @throws {Error} if the queue is not stopped
   */
  giveBack(written?: number): void;
}

/** The driver that a device serves, as far as the device has something to say to it unasked. */
export interface DriverLink {
  /**
   * The configuration space has changed, by the device's own doing (VIRTIO 1.3, 2.5): the driver is notified and reads it
   * again. Without effect once the driver has reset the device, or where a transport cannot notify.
   */
  configChanged(): void;
}

/** A virtio device: VIRTIO 1.3, chapter 2, less what a transport does for it. */
export interface VirtioDevice {
  /** Device type (VIRTIO 1.3, chapter 5): 4 is entropy, 20 crypto. */
  readonly deviceId: number;
  /** Device-specific feature bits it offers: 0 to 23 and 50 to 127. The transport adds its own. */
  readonly features: bigint;
  /** Largest size of each virtqueue, a power of two; its length is the number of queues. */
  readonly queueSizes: readonly number[];
  /** The configuration space as the driver reads it, little-endian. */
  readonly config: Uint8Array;
  /**
   * Whether it needs the event loop of its thread also while no request is under way, for timers or sockets of its own.
   * Transports that have a thread for it let that sleep in the kernel otherwise.
   */
  readonly usesEventLoop?: boolean;

  /**
   * The driver has accepted `features` (a subset of those offered, transport's included) and set
   * DRIVER_OK: requests may follow.
   * @param driver good until `reset`
   */
  activate?(features: bigint, driver: DriverLink): void;
  /** The queue takes requests from now on. Called after `activate`, and again after each `stopQueue`. */
  startQueue?(queueIndex: number): void;
  /**
   * The queue stops: the driver resets it or the device, or the machine pauses. No request comes any more until
   * `startQueue`. Those under way are waited for, for a limited time, so a device that keeps some until it has an
   * answer for them must complete each (`complete`) or return it unused (`giveBack`), now or soon. If what stops it
   * is a reset, or that the device is broken, it makes no difference which: the driver learns of neither.
   */
  stopQueue?(queueIndex: number): void;
  /** The driver wrote `bytes` to the configuration space at `offset`; both are inside it. */
  writeConfig?(offset: number, bytes: Uint8Array): void;
  /**
   * Carries out one request. It must never throw because of what the request contains: the answer says
   * what was wrong. If it throws all the same, or rejects, the device is broken: DEVICE_NEEDS_RESET.
   */
  handle(queueIndex: number, request: VirtioRequest): void | Promise<void>;
  /**
   * All requests of one run of the queue have been passed to `handle`: a place to carry out and complete what was
   * batched. It is called at the end of every run, also of one in which the driver broke a rule.
   */
  flush?(queueIndex: number): void;
  /**
   * The driver reset the device: forget everything that belongs to it. The queues were stopped before. Requests
   * under way may still complete; the transport drops their answers, and the reset is not done before the last.
   */
  reset(): void;
  /** Releases what the device holds; nothing is called after it. */
  close(): void | Promise<void>;
}

/**
 * A device that keeps something between requests and can be saved with its machine, where a transport does that.
 * One that keeps nothing needs neither method.
 */
export interface SavableDevice extends VirtioDevice {
  /** What `restoreState` needs; anything that the structured clone algorithm copies. Nothing is under way. */
  saveState(): unknown;
  /**
   * Called after `reset` and `activate`, before any request. It throws or rejects if it cannot do with `state`: the
   * machine is not put back then, unless by a VirtioError VIRTIO_NEEDS_RESET, which is for the driver to see.
   */
  restoreState(state: unknown): void | Promise<void>;
}
