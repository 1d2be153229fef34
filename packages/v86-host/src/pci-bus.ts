/**
 * Virtio functions on the PCI bus of v86: their I/O ports, their interrupt lines, and the one thing about
 * configuration space that v86 leaves out, registers that do something when they are accessed.
 */
import type { VirtioDevice } from '@skytale/virtio';
import type { Cpu, Pci } from './emulator.ts';
import type { GuestRam } from './guest-ram.ts';
import { barSizeFor } from './pci-config-space.ts';
import { VirtioPciFunction } from './virtio-pci.ts';

/** Slots that v86 leaves free. */
const FIRST_SLOT = 8;
export const SLOTS = 8;
/** Interrupt lines of the bus; slots share them in turn. */
const LINES = 4;

/** Where the BARs are at first, apart from where SeaBIOS puts them: v86 clears the ports that a BAR leaves. */
const FIRST_IO_BASE = 0x1000;
const IO_BASE_STEP = 0x1000;

/** Registers of configuration mechanism #1 (PCI Local Bus 3.0, 3.2.2.3.2). */
const CONFIG_DATA = 0xcfc;
const CONFIG_ENABLE = 0x8000_0000;

const WIDTHS = [1, 2, 4] as const;

export class PciBus {
  readonly functions: readonly VirtioPciFunction[];
  readonly #pci: Pci;
  readonly #ram: GuestRam;
  /** By bus, device and function. */
  readonly #byId = new Map<number, VirtioPciFunction>();
  /** The functions that assert each line. */
  readonly #asserting = Array.from({ length: LINES }, () => new Set<number>());
  readonly #onInterrupt: () => void;

  /**
   * @param onInterrupt called when a device interrupts the guest
   * @throws {RangeError} if there are more devices than slots, or one that cannot be carried
   */
  constructor(cpu: Cpu, ram: GuestRam, devices: readonly VirtioDevice[], onInterrupt: () => void) {
    if (devices.length > SLOTS) throw new RangeError(`${devices.length} devices, ${SLOTS} slots`);
    this.#pci = cpu.devices.pci;
    this.#ram = ram;
    this.#onInterrupt = onInterrupt;
    this.functions = devices.map((device, i) => this.#attach(cpu, device, i));
    this.#hookConfigReads(cpu);
    this.#hookConfigWrites();
  }

  /** To be called after the emulator has run, before devices do: its memory may have moved. */
  follow(): void {
    if (this.#ram.follow()) for (const { state } of this.functions) state.memoryChanged();
  }

  /** The machine was reset. */
  reset(): void {
    for (const fn of this.functions) fn.reset();
  }

  /** Stops the devices' queues, so that they can be saved. The guest must not run until `resume`. */
  async suspend(): Promise<void> {
    for (const fn of this.functions) await fn.suspend();
  }

  resume(): void {
    for (const fn of this.functions) fn.resume();
  }

  /** Resolves when no device has anything under way. */
  async whenIdle(): Promise<void> {
    for (const fn of this.functions) await fn.whenIdle();
  }

  /** Resets the devices and releases them. */
  async close(): Promise<void> {
    for (const fn of this.functions) await fn.close();
  }

  #attach(cpu: Cpu, device: VirtioDevice, index: number): VirtioPciFunction {
    const slot = FIRST_SLOT + index;
    const id = slot << 3;
    const ioBase = FIRST_IO_BASE + index * IO_BASE_STEP;
    const fn = new VirtioPciFunction(device, this.#ram.memory, {
      ioBase,
      setInterrupt: (asserted) => this.#setInterrupt(id, asserted),
      watchRequest: this.#ram.lend,
    });
    const size = barSizeFor(device.config.length);
    for (let offset = 0; offset < size; offset++) {
      const read = (width: number) => () => toRegister(fn.readBar(offset, width), width);
      const write = (width: number) => (value: number) => {
        this.follow();
        fn.writeBar(offset, width, value);
      };
      cpu.io.register_read(ioBase + offset, this, read(1), read(2), read(4));
      cpu.io.register_write(ioBase + offset, this, write(1), write(2), write(4));
    }
    const pci_space = [...fn.configSpace.bytes];
    this.#pci.register_device({
      name: `virtio-${device.deviceId}`,
      pci_id: id,
      pci_space,
      pci_bars: [{ size }],
    });
    this.#byId.set(id, fn);
    return fn;
  }

  /** A line is asserted while anybody on it asserts it, which v86 leaves to its devices. */
  #setInterrupt(id: number, asserted: boolean): void {
    const line = this.#asserting[(id >> 3) % LINES]!;
    if (asserted) {
      line.add(id);
      this.#pci.raise_irq(id);
      this.#onInterrupt();
    } else {
      line.delete(id);
      if (line.size === 0) this.#pci.lower_irq(id);
    }
  }

  #hookConfigReads(cpu: Cpu): void {
    const { pci_addr32, pci_response } = this.#pci;
    for (let byte = 0; byte < 4; byte++) {
      const read = (width: number) => () => {
        const address = (pci_addr32[0]! >>> 0) + byte;
        const window = address >= CONFIG_ENABLE ? this.#window(address) : undefined;
        const value =
          window?.fn.readWindow(window.config, width) ??
          littleEndian(pci_response.subarray(byte, byte + width));
        return toRegister(value, width);
      };
      // A port has one `this` for reads and writes, and these are v86's.
      cpu.io.register_read(CONFIG_DATA + byte, this.#pci, read(1), read(2), read(4));
    }
  }

  #hookConfigWrites(): void {
    for (const width of WIDTHS) {
      const name = `pci_write${8 * width}` as 'pci_write8' | 'pci_write16' | 'pci_write32';
      const write = this.#pci[name].bind(this.#pci);
      this.#pci[name] = (address, value) => {
        const window = this.#window(address);
        if (window !== undefined) window.fn.writeWindow(window.config, width, value);
        // v86 throws where there is no device.
        else if (this.#pci.device_spaces[idOf(address)] !== undefined) write(address, value);
      };
    }
  }

  /** The function, if it is into the window of its configuration access capability that the address points. */
  #window(address: number): { fn: VirtioPciFunction; config: Uint8Array } | undefined {
    const id = idOf(address);
    const fn = this.#byId.get(id);
    const space = this.#pci.device_spaces[id];
    if (fn === undefined || space === undefined) return undefined;
    if ((address & 0xff) !== fn.configSpace.configAccess.data) return undefined;
    return { fn, config: new Uint8Array(space.buffer, space.byteOffset, space.byteLength) };
  }
}

const idOf = (address: number) => (address >>> 8) & 0xffff;

const littleEndian = (bytes: Uint8Array) => bytes.reduceRight((value, byte) => value * 256 + byte, 0);

/** As v86 wants what is read: signed if it has 32 bits. */
const toRegister = (value: number, width: number) => (width === 4 ? value | 0 : value);
