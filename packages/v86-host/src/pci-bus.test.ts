import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { DriverLink, VirtioDevice } from '@skytale/virtio';
import type { Cpu, PciDevice } from './emulator.ts';
import { GuestRam } from './guest-ram.ts';
import { PciBus, SLOTS } from './pci-bus.ts';
import { EntropyDevice } from './testing/entropy-device.ts';
import { structuresOf } from './testing/pci-transport.ts';

type Accessors = Record<1 | 2 | 4, (value: number) => number>;

/** What a PciBus knows of v86: ports, configuration spaces, interrupt lines. */
function emulator() {
  const reads = new Map<number, Accessors>();
  const writes = new Map<number, Accessors>();
  const pciDevices = new Map<number, PciDevice>();
  /** The level of each line. */
  const lines = [false, false, false, false];
  const pci = {
    register_device(device: PciDevice) {
      pciDevices.set(device.pci_id, device);
      pci.device_spaces[device.pci_id] = new Int32Array(Uint8Array.from(device.pci_space).buffer);
    },
    raise_irq: (id: number) => (lines[(id >> 3) & 3] = true),
    lower_irq: (id: number) => (lines[(id >> 3) & 3] = false),
    device_spaces: [] as Int32Array[],
    pci_addr32: new Int32Array(1),
    pci_response: Uint8Array.of(1, 2, 3, 0xff),
    pci_write8: (address: number, value: number) => {
      new Uint8Array(pci.device_spaces[(address >>> 8) & 0xffff]!.buffer)[address & 0xff] = value;
    },
    pci_write16: () => {},
    pci_write32: () => {},
  };
  const io = {
    register_read: (port: number, _device: object, r8: never, r16: never, r32: never) =>
      reads.set(port, { 1: r8, 2: r16, 4: r32 }),
    register_write: (port: number, _device: object, w8: never, w16: never, w32: never) =>
      writes.set(port, { 1: w8, 2: w16, 4: w32 }),
  };
  const cpu = {
    io,
    devices: { pci },
    wasm_memory: new WebAssembly.Memory({ initial: 64 }),
    mem8: { byteOffset: 0, length: 1 << 21 },
    jit_dirty_cache() {},
  } as unknown as Cpu;
  const attach = (count: number, onInterrupt = () => {}) =>
    new PciBus(
      cpu,
      new GuestRam(cpu),
      Array.from({ length: count }, () => new ChangingDevice()),
      onInterrupt,
    );
  const inPort = (port: number, width: 1 | 2 | 4) => reads.get(port)![width](port);
  const outPort = (port: number, width: 1 | 2 | 4, value: number) => writes.get(port)![width](value);
  return { attach, pci, pciDevices, lines, inPort, outPort };
}

/** Says that its configuration has changed as soon as there is a driver. */
class ChangingDevice extends EntropyDevice implements VirtioDevice {
  activate(_features: bigint, driver: DriverLink): void {
    driver.configChanged();
  }
}

/** Has a function interrupt: its device is ready, and its configuration changes. */
function interrupt(bus: PciBus, index: number): void {
  const { state } = bus.functions[index]!;
  for (const status of [1, 3]) state.writeStatus(status);
  state.writeDriverFeatures(1n << 32n);
  for (const status of [11, 15]) state.writeStatus(status);
}

const STATUS = 20;
const ISR = 0x40;

describe('the PCI bus', () => {
  it('gives each device a slot, and ports where its BAR is', () => {
    const { attach, pciDevices, inPort, outPort } = emulator();
    attach(SLOTS);
    assert.equal(pciDevices.size, SLOTS);
    for (const { pci_space, pci_bars } of pciDevices.values()) {
      const base = pci_space[0x10]! + pci_space[0x11]! * 256 - 1;
      outPort(base + STATUS, 1, 1);
      assert.equal(inPort(base + STATUS, 1), 1);
      outPort(base + 4, 4, -1);
      assert.equal(inPort(base + 4, 4), 0x3000_0000); // the device's features, as a signed number
      inPort(base + pci_bars[0]!.size - 1, 4);
    }
    assert.throws(() => emulator().attach(SLOTS + 1), RangeError);
  });

  it('asserts a line as long as one of the devices on it does', () => {
    const { attach, lines } = emulator();
    let interrupts = 0;
    const bus = attach(SLOTS, () => {
      interrupts += 1;
    });
    interrupt(bus, 0);
    interrupt(bus, 4); // the same line
    interrupt(bus, 1);
    assert.deepEqual([lines, interrupts], [[true, true, false, false], 3]);
    bus.functions[0]!.readBar(ISR, 1);
    bus.functions[1]!.readBar(ISR, 1);
    assert.deepEqual(lines, [true, false, false, false]);
    bus.functions[4]!.readBar(ISR, 1);
    assert.deepEqual(lines, [false, false, false, false]);
    interrupt(bus, 2);
    bus.reset();
    assert.deepEqual(lines, [false, false, false, false]);
  });

  it('opens the window in configuration space, and leaves the rest of it to v86', () => {
    const { attach, pci, pciDevices, inPort } = emulator();
    attach(1);
    const [[id, device]] = [...pciDevices] as [[number, PciDevice]];
    const { capability } = structuresOf(Uint8Array.from(device.pci_space)).get(5)!;
    const write8 = (register: number, value: number) => pci.pci_write8((id << 8) | register, value);
    const read8 = (register: number) => {
      pci.pci_addr32[0] = 0x8000_0000 | (id << 8) | (register & ~3);
      return inPort(0xcfc + (register & 3), 1);
    };
    write8(capability + 8, STATUS);
    write8(capability + 12, 1);
    write8(capability + 16, 1);
    assert.equal(read8(capability + 16), 1);
    assert.equal(read8(capability + 17), 2); // not the window: what v86 has read
    assert.equal(inPort(0xcfc + 2, 2), 0xff03);
  });

  it('ignores writes to the configuration space of devices that are not there', () => {
    const { attach, pci } = emulator();
    attach(1);
    for (const address of [0, 0x8000_ff00, 0xffff_ffff]) pci.pci_write8(address | 0, 1);
  });
});
