/** A device that lets other threads see what it counts. */
import type { CryptoSessionHandler, ServableDevice } from '@skytale/vhost-user';
import type { DriverLink, VirtioDevice, VirtioRequest } from '@skytale/virtio';
import type { DeviceCounters, DeviceStatistics } from './device-counters.ts';

export class CountedDevice implements VirtioDevice {
  readonly deviceId: number;
  readonly features: bigint;
  readonly queueSizes: readonly number[];
  /** These two are there if the device has them. */
  readonly createSession?: CryptoSessionHandler['createSession'];
  readonly closeSession?: CryptoSessionHandler['closeSession'];
  readonly #device: VirtioDevice & { readonly statistics: DeviceStatistics };
  readonly #counters: DeviceCounters;

  constructor(device: ServableDevice & { readonly statistics: DeviceStatistics }, counters: DeviceCounters) {
    this.deviceId = device.deviceId;
    this.features = device.features;
    this.queueSizes = device.queueSizes;
    this.#device = device;
    this.#counters = counters;
    const { createSession, closeSession } = device;
    if (!createSession || !closeSession) return;
    this.createSession = (message) => this.#publishAfter(() => createSession.call(device, message));
    this.closeSession = (id) => this.#publishAfter(() => closeSession.call(device, id));
  }

  get config(): Uint8Array {
    return this.#device.config;
  }

  activate(features: bigint, driver: DriverLink): void {
    this.#device.activate?.(features, driver);
  }

  startQueue(queueIndex: number): void {
    this.#device.startQueue?.(queueIndex);
  }

  stopQueue(queueIndex: number): void {
    this.#device.stopQueue?.(queueIndex);
  }

  writeConfig(offset: number, bytes: Uint8Array): void {
    this.#device.writeConfig?.(offset, bytes);
  }

  handle(queueIndex: number, request: VirtioRequest): void | Promise<void> {
    return this.#device.handle(queueIndex, request)?.finally(() => this.#publish());
  }

  flush(queueIndex: number): void {
    this.#publishAfter(() => this.#device.flush?.(queueIndex));
  }

  reset(): void {
    this.#publishAfter(() => this.#device.reset());
  }

  close(): void | Promise<void> {
    return this.#device.close();
  }

  #publishAfter(action: () => void): void {
    try {
      action();
    } finally {
      this.#publish();
    }
  }

  #publish(): void {
    this.#counters.publish(this.#device.statistics);
  }
}
