/**
 * A virtio device as a PCI function: VIRTIO 1.3, section 4.1, without MSI-X. Nothing here knows what executes the
 * guest: a machine passes the guest's accesses to the BAR in, and is told of the level of the interrupt line.
 *
 * The guest is not trusted: any access of any width, anywhere, with any value, ends in a register or in nothing.
 */
import {
  DeviceState,
  type GuestMemory,
  type SavableDevice,
  STATUS_ACKNOWLEDGE,
  STATUS_DEVICE_NEEDS_RESET,
  STATUS_DRIVER,
  STATUS_DRIVER_OK,
  STATUS_FAILED,
  STATUS_FEATURES_OK,
  type VirtioDevice,
  VirtioError,
  type VirtioRequest,
} from '@skytale/virtio';
import { CommonConfig, type CommonConfigState } from './common-config.ts';
import {
  COMMON_CONFIG,
  DEVICE_CONFIG_OFFSET,
  ISR_STATUS,
  NOTIFY,
  type PciConfigSpace,
  pciConfigSpace,
} from './pci-config-space.ts';
import { V86Error } from './v86-error.ts';

/** Bits of the ISR status (4.1.4.5). */
const ISR_QUEUE = 1;
const ISR_CONFIG = 2;

/** A device and its transport as they are saved: plain data, for the structured clone algorithm. */
export interface VirtioPciState {
  readonly deviceId: number;
  readonly configLength: number;
  readonly common: CommonConfigState;
  readonly isr: number;
  /** Why DEVICE_NEEDS_RESET is set, if it is. */
  readonly brokenReason: string | undefined;
  /** What the device's `saveState` returned. */
  readonly device: unknown;
}

export interface VirtioPciOptions {
  /** Where BAR 0 is before firmware moves it. */
  readonly ioBase: number;
  /** The level of INTA#: called when it changes. */
  setInterrupt(asserted: boolean): void;
  /** Called with each request before the device sees it. */
  readonly watchRequest?: (request: VirtioRequest) => void;
}

export class VirtioPciFunction {
  /** The device's side, to look at. */
  readonly state: DeviceState;
  readonly configSpace: PciConfigSpace;
  readonly #device: VirtioDevice;
  readonly #common: CommonConfig;
  readonly #setInterrupt: (asserted: boolean) => void;
  #isr = 0;
  #whenIdle: PromiseWithResolvers<void> | undefined;

  /** @throws {RangeError} if the device is not one that DeviceState or this transport can carry */
  constructor(device: VirtioDevice, memory: GuestMemory, options: VirtioPciOptions) {
    this.#device = device;
    this.#setInterrupt = options.setInterrupt;
    this.configSpace = pciConfigSpace(device.deviceId, device.config.length, options.ioBase);
    this.state = new DeviceState(device, memory, {
      usedBuffers: () => this.#interrupt(ISR_QUEUE),
      configChanged: () => this.#interrupt(ISR_CONFIG),
      resetDone: () => this.#settleIdle(),
      idle: () => this.#settleIdle(),
      ...(options.watchRequest && { handing: options.watchRequest }),
    });
    this.#common = new CommonConfig(this.state, () => this.#clearInterrupt());
  }

  /** The guest reads `width` bytes (1, 2 or 4) at `offset` of the BAR. */
  readBar(offset: number, width: number): number {
    if (offset < COMMON_CONFIG.length) return this.#common.read(offset, width);
    if (offset >= DEVICE_CONFIG_OFFSET) return this.#readDeviceConfig(offset - DEVICE_CONFIG_OFFSET, width);
    return offset === ISR_STATUS.offset && width === 1 ? this.#readIsr() : 0;
  }

  /** The guest writes `width` bytes (1, 2 or 4) at `offset` of the BAR. */
  writeBar(offset: number, width: number, value: number): void {
    const bits = width === 4 ? value >>> 0 : value & (2 ** (8 * width) - 1);
    if (offset < COMMON_CONFIG.length) this.#common.write(offset, width, bits);
    else if (offset >= DEVICE_CONFIG_OFFSET)
      this.#writeDeviceConfig(offset - DEVICE_CONFIG_OFFSET, width, bits);
    else if (offset === NOTIFY.offset && width === 2) this.#notified(bits);
  }

  /**
   * The guest reads from the window of the PCI configuration access capability (4.1.4.9).
   * @param config the configuration space, as the guest has written it
   */
  readWindow(config: Uint8Array, width: number): number {
    const offset = this.#windowOffset(config, width);
    return offset === undefined ? 0 : this.readBar(offset, width);
  }

  /** The same for writing. */
  writeWindow(config: Uint8Array, width: number, value: number): void {
    const offset = this.#windowOffset(config, width);
    if (offset !== undefined) this.writeBar(offset, width, value);
  }

  /** The whole machine was reset. */
  reset(): void {
    this.#clearInterrupt();
    this.#common.reset();
    this.state.reset();
  }

  /** Resolves when nothing is under way that could touch the guest's memory. */
  async whenIdle(): Promise<void> {
    if (!this.state.isBusy) return;
    this.#whenIdle ??= Promise.withResolvers();
    await this.#whenIdle.promise;
  }

  /**
   * Stops the queues, so that the function can be saved: the device completes what is under way, or gives it back.
   * Resolves when that is done. The guest must not run until `resume`.
   */
  async suspend(): Promise<void> {
    await this.#common.stopQueues();
    await this.whenIdle();
  }

  /** The queues go on. */
  resume(): void {
    this.#common.startQueues();
    // What was available before may not be notified of again.
    for (const index of this.#device.queueSizes.keys()) this.#notified(index);
  }

  /** Saves the function, which must be suspended. */
  saveState(): VirtioPciState {
    const device = this.#device;
    if (this.state.isBusy || device.queueSizes.some((_, index) => this.state.isQueueEnabled(index)))
      throw new Error('a device is saved while it is suspended');
    return {
      deviceId: device.deviceId,
      configLength: device.config.length,
      common: this.#common.save(),
      isr: this.#isr,
      brokenReason: this.state.brokenReason?.message,
      device: isSavable(device) ? device.saveState() : undefined,
    };
  }

  /**
   * Puts the function back to a state that was saved; the guest's memory must have been put back, and the guest
   * must not run. Rejects with `bad-state` if the device is another one than that which was saved.
   */
  async restoreState(saved: VirtioPciState): Promise<void> {
    const state = this.state;
    const device = this.#device;
    this.#checkFits(saved);
    this.reset();
    await this.whenIdle();
    this.#common.restore(saved.common);
    this.#repeatNegotiation(saved);
    const lost = isSavable(device) ? await this.#restoreDevice(device, saved) : undefined;
    if (saved.brokenReason !== undefined)
      state.break(new VirtioError('VIRTIO_NEEDS_RESET', saved.brokenReason));
    if ((saved.common.status & STATUS_FAILED) !== 0) state.writeStatus(state.status | STATUS_FAILED);
    this.#clearInterrupt(); // that the device is broken was said before
    if (saved.isr !== 0) this.#interrupt(saved.isr);
    if (lost !== undefined) state.break(lost);
    // What was available before may not be notified of again.
    for (const [index, { indices }] of saved.common.queues.entries())
      if (indices !== undefined) this.#notified(index);
  }

  async close(): Promise<void> {
    await this.state.close();
  }

  #checkFits(saved: VirtioPciState): void {
    const { deviceId, config, queueSizes } = this.#device;
    if (saved.deviceId !== deviceId || saved.configLength !== config.length)
      throw new V86Error('bad-state', `device ${saved.deviceId} was saved, this is device ${deviceId}`);
    if (saved.common.queues.length !== queueSizes.length)
      throw new V86Error(
        'bad-state',
        `device ${deviceId} was saved with ${saved.common.queues.length} queues, it has ${queueSizes.length}`,
      );
  }

  /** Says to the device again what the driver said until the state was saved (3.1.1). */
  #repeatNegotiation({ common: { status, queues }, deviceId }: VirtioPciState): void {
    const { state } = this;
    state.writeStatus(status & (STATUS_ACKNOWLEDGE | STATUS_DRIVER));
    state.writeDriverFeatures(this.#common.driverFeatures);
    const agreed = status & ~(STATUS_DRIVER_OK | STATUS_DEVICE_NEEDS_RESET | STATUS_FAILED);
    if (agreed !== 0) state.writeStatus(agreed);
    if ((status & STATUS_FEATURES_OK) !== (state.status & STATUS_FEATURES_OK))
      throw new V86Error('bad-state', `device ${deviceId} no longer has the features that were agreed on`);
    for (const [index, { indices }] of queues.entries())
      if (indices !== undefined) this.#common.enableQueue(index, indices);
    if ((status & STATUS_DRIVER_OK) !== 0) state.writeStatus(agreed | STATUS_DRIVER_OK);
  }

  /** @returns why its driver has to reset it; a driver that does not use it yet misses nothing */
  async #restoreDevice(
    device: SavableDevice,
    { common, device: saved }: VirtioPciState,
  ): Promise<VirtioError | undefined> {
    try {
      await device.restoreState(saved);
      return undefined;
    } catch (error) {
      if (!(error instanceof VirtioError && error.code === 'VIRTIO_NEEDS_RESET')) throw error;
      return (common.status & STATUS_DRIVER_OK) === 0 ? undefined : error;
    }
  }

  #readDeviceConfig(offset: number, width: number): number {
    const available = Math.min(width, this.#device.config.length - offset);
    if (available <= 0) return 0;
    return this.state.readConfig(offset, available).reduceRight((value, byte) => value * 256 + byte, 0);
  }

  #writeDeviceConfig(offset: number, width: number, value: number): void {
    if (offset + width > this.#device.config.length) return;
    const bytes = Uint8Array.from({ length: width }, (_, i) => value >>> (8 * i));
    this.state.writeConfig(offset, bytes);
  }

  /** Reading clears it and takes the interrupt back (4.1.4.5.1). */
  #readIsr(): number {
    const isr = this.#isr;
    this.#clearInterrupt();
    return isr;
  }

  #notified(queueIndex: number): void {
    // What comes before DRIVER_OK, or for no queue, is not worth breaking the device for.
    if (!this.state.isLive || !this.state.isQueueEnabled(queueIndex)) return;
    if (this.state.run(queueIndex)) queueMicrotask(() => this.#notified(queueIndex));
  }

  #interrupt(bits: number): void {
    const before = this.#isr;
    this.#isr |= bits;
    if (before === 0) this.#setInterrupt(true);
  }

  #clearInterrupt(): void {
    if (this.#isr === 0) return;
    this.#isr = 0;
    this.#setInterrupt(false);
  }

  #settleIdle(): void {
    if (this.state.isBusy) return;
    this.#whenIdle?.resolve();
    this.#whenIdle = undefined;
  }

  #windowOffset(config: Uint8Array, width: number): number | undefined {
    const view = new DataView(config.buffer, config.byteOffset, config.length);
    const { configAccess, barSize } = this.configSpace;
    const offset = view.getUint32(configAccess.offset, true);
    const matches =
      view.getUint8(configAccess.bar) === 0 && view.getUint32(configAccess.length, true) === width;
    return matches && offset % width === 0 && offset + width <= barSize ? offset : undefined;
  }
}

function isSavable(device: VirtioDevice): device is SavableDevice {
  const { saveState, restoreState } = device as Partial<SavableDevice>;
  return typeof saveState === 'function' && typeof restoreState === 'function';
}
