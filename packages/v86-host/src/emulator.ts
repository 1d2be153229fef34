/**
 * The insides of v86 that a device needs and that no documentation promises: `package.json` pins the version they
 * were read from, and `requireInsides` looks whether they are there.
 */
import { V86 } from 'v86';
import { asV86Error, V86Error } from './v86-error.ts';

/** As the emulator calls back for an access to a port; `device` is `this`. */
type PortRead = () => number;
type PortWrite = (value: number) => void;

export interface IoPorts {
  /** For accesses of 8, 16 and 32 bits. */
  register_read(port: number, device: object, r8: PortRead, r16: PortRead, r32: PortRead): void;
  register_write(port: number, device: object, w8: PortWrite, w16: PortWrite, w32: PortWrite): void;
}

export interface PciDevice {
  readonly name: string;
  /** Bus, device and function: `slot << 3`. */
  readonly pci_id: number;
  readonly pci_space: readonly number[];
  readonly pci_bars: { readonly size: number }[];
}

export interface Pci {
  register_device(device: PciDevice): void;
  raise_irq(pciId: number): void;
  lower_irq(pciId: number): void;
  /** Configuration spaces by bus, device and function: 256 bytes each. */
  readonly device_spaces: (Int32Array | undefined)[];
  /** The register CONFIG_ADDRESS. */
  readonly pci_addr32: Int32Array;
  /** What was read where CONFIG_ADDRESS points to. */
  readonly pci_response: Uint8Array;
  /** Writes to CONFIG_DATA; `address` is CONFIG_ADDRESS and the byte in it. */
  pci_write8(address: number, value: number): void;
  pci_write16(address: number, value: number): void;
  pci_write32(address: number, value: number): void;
}

export interface Uart {
  /** Bytes that the guest has not read yet; they are not saved. */
  readonly input: number[];
}

export interface Cpu {
  readonly io: IoPorts;
  readonly devices: { readonly pci: Pci; readonly uart0: Uart; readonly uart1: Uart };
  /** The guest's memory, in `wasm_memory`. */
  readonly mem8: { readonly byteOffset: number; readonly length: number };
  readonly wasm_memory: WebAssembly.Memory;
  /** Forgets what was compiled of these guest-physical addresses. */
  jit_dirty_cache(start: number, end: number): void;
  /** Executes the guest for a while; returns for how many milliseconds it has nothing to do. */
  main_loop(): number;
  /** What the reset button does. */
  reboot_internal(): void;
  /** The time stamp counter: `current_tsc` is what `store_current_tsc` found. */
  store_current_tsc(): void;
  readonly current_tsc: Uint32Array;
  set_tsc(low: number, high: number): void;
}

export interface EmulatorOptions {
  /** The emulator's WebAssembly code: `build/v86.wasm` of the package `v86`. */
  readonly wasm: WebAssembly.Module | Uint8Array<ArrayBuffer>;
  /** Bytes of the guest's memory. */
  readonly memory: number;
  /** What to boot; not needed where a saved state is restored. */
  readonly boot?: BootImages | undefined;
}

export interface BootImages {
  /** SeaBIOS: `bios.bin` of QEMU or of Debian's package `seabios`. */
  readonly bios: Uint8Array;
  /** A Linux kernel for 32 bits, as boot loaders take it (bzImage). */
  readonly kernel: Uint8Array;
  readonly initramfs: Uint8Array;
  readonly cmdline: string;
}

export interface Emulator {
  readonly v86: V86;
  readonly cpu: Cpu;
}

/** Bytes of video memory; the guest uses none, and each is saved with its state. */
const VGA_MEMORY = 256 * 1024;

/** The first serial port is the guest's console; the second belongs to the agent. */
export const CONSOLE_PORT = 0;
export const AGENT_PORT = 1;

/**
 * An emulator that is ready to run. Rejects with `launch-failed` or `unsupported-emulator`.
 */
export async function createEmulator(options: EmulatorOptions): Promise<Emulator> {
  const { promise: failed, reject } = Promise.withResolvers<never>();
  const v86 = new V86({
    wasm_fn: (imports) => instantiate(options.wasm, imports, reject),
    memory_size: options.memory,
    vga_memory_size: VGA_MEMORY,
    ...(options.boot && bootOptions(options.boot)),
    autostart: false,
    acpi: false,
    disable_keyboard: true,
    disable_mouse: true,
    disable_speaker: true,
    ...UNDOCUMENTED,
  });
  const { promise: loaded, resolve } = Promise.withResolvers<void>();
  v86.add_listener('emulator-loaded', resolve);
  try {
    await Promise.race([loaded, failed]);
    return { v86, cpu: requireInsides(v86) };
  } catch (error) {
    await v86.destroy();
    throw error;
  }
}

/** A second serial port, and no network card. The types do not know of these. */
const UNDOCUMENTED = { uart1: true, net_device: { type: 'none' } } as object;

async function instantiate(
  wasm: WebAssembly.Module | Uint8Array<ArrayBuffer>,
  imports: WebAssembly.Imports,
  reject: (error: V86Error) => void,
): Promise<WebAssembly.Exports> {
  try {
    const module = wasm instanceof WebAssembly.Module ? wasm : await WebAssembly.compile(wasm);
    return (await WebAssembly.instantiate(module, imports)).exports;
  } catch (error) {
    reject(asV86Error(error, 'launch-failed', "the emulator's WebAssembly code cannot be run"));
    return new Promise(() => {}); // v86 waits for it, and has no way to be told
  }
}

const bootOptions = ({ bios, kernel, initramfs, cmdline }: BootImages) => ({
  bios: image(bios),
  bzimage: image(kernel),
  initrd: image(initramfs),
  cmdline,
});

/** v86 wants an ArrayBuffer of its own. */
function image(bytes: Uint8Array): { buffer: ArrayBuffer } {
  return { buffer: new Uint8Array(bytes).buffer };
}

/** What must be there, by its path from the emulator. */
const INSIDES = {
  'cpu.io': ['register_read', 'register_write'],
  'cpu.devices.pci': [
    ...['register_device', 'raise_irq', 'lower_irq', 'device_spaces', 'pci_addr32', 'pci_response'],
    ...['pci_write8', 'pci_write16', 'pci_write32'],
  ],
  'cpu.devices.uart0': ['input'],
  'cpu.devices.uart1': ['input'],
  cpu: [
    ...['mem8', 'wasm_memory', 'jit_dirty_cache', 'main_loop', 'reboot_internal'],
    ...['store_current_tsc', 'current_tsc', 'set_tsc'],
  ],
};

function requireInsides(v86: V86): Cpu {
  const machine = (v86 as unknown as { v86: Record<string, unknown> }).v86;
  const at = (path: string) =>
    path.split('.').reduce<unknown>((object, name) => (object as Record<string, unknown>)?.[name], machine);
  for (const [path, names] of Object.entries(INSIDES))
    for (const name of names)
      if (at(`${path}.${name}`) === undefined)
        throw new V86Error('unsupported-emulator', `this build of v86 has no ${path}.${name}`);
  return machine.cpu as Cpu;
}
