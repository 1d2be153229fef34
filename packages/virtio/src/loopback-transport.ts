/**
 * Driver and device in one thread: for tests, benchmarks and devices too small for a thread of their own.
 * The device works when it is kicked, after the code that runs now (in a microtask).
 */
import { DeviceState } from './device-state.ts';
import { GuestMemory } from './guest-memory.ts';
import type { QueueLayout } from './split-ring.ts';
import { GUEST_BASE, MEMORY_SIZE_DEFAULT, TransportBase } from './transport-base.ts';
import type { VirtioDevice } from './virtio-device.ts';

export class LoopbackTransport extends TransportBase {
  /** The device's side, to look at. */
  readonly state: DeviceState;
  readonly #kicked = new Set<number>();
  #resetDone: (() => void) | undefined;

  /** @param memorySize bytes to share with the device */
  constructor(device: VirtioDevice, { memorySize = MEMORY_SIZE_DEFAULT }: { memorySize?: number } = {}) {
    const region = { base: GUEST_BASE, bytes: new Uint8Array(memorySize) };
    const state = new DeviceState(device, new GuestMemory([region]), {
      usedBuffers: (index) => this.usedBuffers(index),
      configChanged: () => {
        this.#checkStatus();
        this.configChanged();
      },
      resetDone: () => this.#resetDone?.(),
    });
    const { deviceId, queueSizes } = device;
    super({ deviceId, queueSizes, offeredFeatures: state.offeredFeatures }, region);
    this.state = state;
  }

  async readConfig(offset: number, length: number): Promise<Uint8Array> {
    return this.state.readConfig(offset, length);
  }

  async writeConfig(offset: number, bytes: Uint8Array): Promise<void> {
    this.state.writeConfig(offset, bytes);
  }

  protected async writeStatus(status: number): Promise<number> {
    if (status === 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#resetDone = resolve;
      this.state.writeStatus(0);
      await promise;
    } else {
      this.state.writeStatus(status);
    }
    this.#checkStatus();
    return this.state.status;
  }

  protected async writeFeatures(features: bigint): Promise<void> {
    this.state.writeDriverFeatures(features);
  }

  protected async enableQueue(index: number, layout: QueueLayout): Promise<void> {
    this.state.enableQueue(index, layout);
  }

  protected kick(index: number): void {
    if (this.#kicked.size === 0) queueMicrotask(() => this.#run());
    this.#kicked.add(index);
  }

  protected async closeDevice(): Promise<void> {
    await this.state.close();
  }

  #run(): void {
    const kicked = [...this.#kicked];
    this.#kicked.clear();
    for (const index of kicked) {
      // A kick from before a reset is of no interest after it.
      if (this.state.status !== 0 && this.state.run(index)) this.kick(index);
    }
  }

  #checkStatus(): void {
    this.needsReset(this.state.status, this.state.brokenReason?.message ?? 'it does not say why');
  }
}
