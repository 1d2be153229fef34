/** A driver for tests: finds the device's structures through its capabilities, as an operating system does. */
import {
  GuestMemory,
  type QueueLayout,
  TransportBase,
  VIRTIO_F_RING_RESET,
  type VirtioDevice,
} from '@skytale/virtio';
import { VirtioPciFunction, type VirtioPciState } from '../virtio-pci.ts';

/** Guest-physical address of the memory that driver and device share. */
export const BASE = 0x10_0000;

/** Offsets in the common configuration structure. */
export const COMMON = {
  deviceFeatureSelect: 0,
  deviceFeature: 4,
  driverFeatureSelect: 8,
  driverFeature: 12,
  numQueues: 18,
  status: 20,
  generation: 21,
  queueSelect: 22,
  queueSize: 24,
  queueEnable: 28,
  queueNotifyOff: 30,
  queueDesc: 32,
  queueDriver: 40,
  queueDevice: 48,
  queueReset: 58,
} as const;

export interface Structure {
  readonly bar: number;
  readonly offset: number;
  readonly length: number;
  /** Where the capability itself is. */
  readonly capability: number;
}

/** The structures that a configuration space names, by type. */
export function structuresOf(config: Uint8Array): Map<number, Structure> {
  const view = new DataView(config.buffer, config.byteOffset, config.length);
  const structures = new Map<number, Structure>();
  for (let at = view.getUint8(0x34); at !== 0; at = view.getUint8(at + 1)) {
    const [offset, length] = [view.getUint32(at + 8, true), view.getUint32(at + 12, true)];
    structures.set(view.getUint8(at + 3), { bar: view.getUint8(at + 4), offset, length, capability: at });
  }
  return structures;
}

/** A function with memory of its own. `level` is that of its interrupt line. */
export class TestFunction extends VirtioPciFunction {
  readonly region: { readonly base: number; readonly bytes: Uint8Array<ArrayBuffer> };
  level = false;
  onInterrupt: () => void = () => {};

  constructor(device: VirtioDevice, memorySize = 1 << 20) {
    const region = { base: BASE, bytes: new Uint8Array(memorySize) };
    super(device, new GuestMemory([region]), {
      ioBase: 0x1000,
      setInterrupt: (level) => {
        this.level = level;
        if (level) this.onInterrupt();
      },
    });
    this.region = region;
  }

  /** Saved, and going on. */
  async save(): Promise<VirtioPciState> {
    await this.suspend();
    const state = structuredClone(this.saveState());
    this.resume();
    return state;
  }

  readCommon(offset: number, width: number): number {
    return this.readBar(offset, width);
  }

  writeCommon(offset: number, width: number, value: number): void {
    this.writeBar(offset, width, value);
  }

  readFeatures(): bigint {
    return [0, 1, 2, 3].reduce((all, word) => {
      this.writeCommon(COMMON.deviceFeatureSelect, 4, word);
      return all | (BigInt(this.readCommon(COMMON.deviceFeature, 4)) << BigInt(32 * word));
    }, 0n);
  }

  writeFeatures(features: bigint): void {
    for (const word of [0, 1, 2, 3]) {
      this.writeCommon(COMMON.driverFeatureSelect, 4, word);
      this.writeCommon(COMMON.driverFeature, 4, Number((features >> BigInt(32 * word)) & 0xffff_ffffn));
    }
  }

  layOutQueue(index: number, layout: QueueLayout): void {
    this.writeCommon(COMMON.queueSelect, 2, index);
    this.writeCommon(COMMON.queueSize, 2, layout.size);
    for (const [offset, address] of [
      [COMMON.queueDesc, layout.descriptorTable],
      [COMMON.queueDriver, layout.availableRing],
      [COMMON.queueDevice, layout.usedRing],
    ] as const) {
      this.writeCommon(offset, 4, address % 2 ** 32);
      this.writeCommon(offset + 4, 4, Math.floor(address / 2 ** 32));
    }
    this.writeCommon(COMMON.queueEnable, 2, 1);
  }
}

/** The driver of a TestFunction. It also accepts RING_RESET. */
export class PciTransport extends TransportBase {
  readonly fn: TestFunction;
  readonly #notify: Structure;
  readonly #isr: Structure;
  readonly #config: Structure | undefined;

  constructor(fn: TestFunction) {
    fn.writeCommon(COMMON.status, 1, 0);
    const queueSizes: number[] = [];
    for (let i = 0; i < fn.readCommon(COMMON.numQueues, 2); i++) {
      fn.writeCommon(COMMON.queueSelect, 2, i);
      queueSizes.push(fn.readCommon(COMMON.queueSize, 2));
    }
    const view = new DataView(fn.configSpace.bytes.buffer);
    const deviceId = view.getUint16(2, true) - 0x1040;
    super({ deviceId, queueSizes, offeredFeatures: fn.readFeatures() }, fn.region);
    this.fn = fn;
    const structures = structuresOf(fn.configSpace.bytes);
    this.#notify = structures.get(2)!;
    this.#isr = structures.get(3)!;
    this.#config = structures.get(4);
    fn.onInterrupt = () => queueMicrotask(() => this.#handleInterrupt());
  }

  async readConfig(offset: number, length: number): Promise<Uint8Array> {
    const base = this.#config!.offset + offset;
    return Uint8Array.from({ length }, (_, i) => this.fn.readBar(base + i, 1));
  }

  async writeConfig(offset: number, bytes: Uint8Array): Promise<void> {
    bytes.forEach((byte, i) => {
      this.fn.writeBar(this.#config!.offset + offset + i, 1, byte);
    });
  }

  protected async writeStatus(status: number): Promise<number> {
    this.fn.writeCommon(COMMON.status, 1, status);
    if (status === 0) await this.fn.whenIdle();
    const now = this.fn.readCommon(COMMON.status, 1);
    this.needsReset(now, this.fn.state.brokenReason?.message ?? '');
    return now;
  }

  protected async writeFeatures(features: bigint): Promise<void> {
    this.fn.writeFeatures(features | VIRTIO_F_RING_RESET);
  }

  protected async enableQueue(index: number, layout: QueueLayout): Promise<void> {
    this.fn.layOutQueue(index, layout);
  }

  protected kick(index: number): void {
    this.fn.writeBar(this.#notify.offset, 2, index);
  }

  protected async closeDevice(): Promise<void> {
    await this.fn.close();
  }

  #handleInterrupt(): void {
    const isr = this.fn.readBar(this.#isr.offset, 1);
    if ((isr & 1) !== 0) for (const { index } of this.queues) this.usedBuffers(index);
    if ((isr & 2) === 0) return;
    this.needsReset(this.fn.readCommon(COMMON.status, 1), this.fn.state.brokenReason?.message ?? '');
    this.configChanged();
  }
}
