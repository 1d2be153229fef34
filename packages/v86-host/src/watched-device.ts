/** A device whose requests somebody sees first. */
import type { DriverLink, VirtioDevice, VirtioRequest } from '@skytale/virtio';

export class WatchedDevice implements VirtioDevice {
  readonly deviceId: number;
  readonly features: bigint;
  readonly queueSizes: readonly number[];
  readonly #device: VirtioDevice;
  readonly #watch: (request: VirtioRequest) => void;

  constructor(device: VirtioDevice, watch: (request: VirtioRequest) => void) {
    this.deviceId = device.deviceId;
    this.features = device.features;
    this.queueSizes = device.queueSizes;
    this.#device = device;
    this.#watch = watch;
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
    this.#watch(request);
    return this.#device.handle(queueIndex, request);
  }

  flush(queueIndex: number): void {
    this.#device.flush?.(queueIndex);
  }

  reset(): void {
    this.#device.reset();
  }

  close(): void | Promise<void> {
    return this.#device.close();
  }
}
