/** The command line of a guest's QEMU, all of it. */
import type { DebianArchitecture } from './debian-apt.ts';
import { deviceArguments, optionValue, type QemuDevice, sharedMemoryArguments } from './qemu-devices.ts';

/** File descriptors that QEMU inherits: connected Unix stream sockets. */
export interface GuestDescriptors {
  readonly monitor: number;
  readonly console: number;
  readonly terminal: number;
  /** Of each command slot: data, errors. */
  readonly slots: readonly { readonly data: number; readonly errors: number }[];
}

export interface Machine {
  readonly architecture: DebianArchitecture;
  readonly image: string;
  readonly initramfs: string;
  readonly kernelArguments: readonly string[];
  /** MiB */
  readonly memory: number;
  readonly cpus: number;
  /** `tcg` emulates the CPU and works everywhere; `kvm` needs a working /dev/kvm. */
  readonly acceleration: 'tcg' | 'kvm';
  readonly devices: readonly QemuDevice[];
  /** Empty PCI Express slots `hotplug0`, `hotplug1`, … */
  readonly hotplugSlots: number;
  /** The directory of the host that the guest sees, read-only, by the tag `host`. */
  readonly tree?: string | undefined;
  readonly network: boolean;
  readonly extraArguments: readonly string[];
}

/** QEMU's names of the machines */
const boards = { amd64: 'q35', i386: 'q35', arm64: 'virt' } as const;

/** What Linux calls the first serial line of these machines */
export const serialConsoles = { amd64: 'ttyS0', i386: 'ttyS0', arm64: 'ttyAMA0' } as const;

export function qemuArguments(machine: Machine, descriptors: GuestDescriptors): string[] {
  return [
    ...['-nodefaults', '-no-user-config', '-display', 'none'],
    ...['-accel', machine.acceleration === 'tcg' ? 'tcg,thread=multi' : 'kvm', '-cpu', 'max'],
    ...['-smp', String(machine.cpus), ...sharedMemoryArguments(machine.memory, boards[machine.architecture])],
    ...['-kernel', machine.image, '-initrd', machine.initramfs, '-append', machine.kernelArguments.join(' ')],
    ...channelArguments(descriptors),
    ...(machine.tree === undefined ? [] : treeArguments(machine.tree)),
    ...(machine.network ? ['-netdev', 'user,id=net', '-device', 'virtio-net-pci,netdev=net,romfile='] : []),
    ...Array.from({ length: machine.hotplugSlots }, (_, index) => hotplugArguments(index)).flat(),
    ...machine.devices.flatMap(deviceArguments),
    ...machine.extraArguments,
  ];
}

function channelArguments({ monitor, console, terminal, slots }: GuestDescriptors): string[] {
  const channel = (id: string, fd: number) => ['-chardev', `socket,id=${id},fd=${fd}`];
  const port = (id: string, fd: number, number: number) => [
    ...channel(id, fd),
    ...['-device', `virtserialport,bus=channels.0,chardev=${id},nr=${number}`],
  ];
  return [
    ...[...channel('monitor', monitor), '-mon', 'chardev=monitor,mode=control'],
    ...[...channel('console', console), '-serial', 'chardev:console'],
    ...['-device', 'virtio-serial-pci,id=channels'],
    ...[...channel('terminal', terminal), '-device', 'virtconsole,bus=channels.0,chardev=terminal,nr=0'],
    ...slots.flatMap(({ data, errors }, index) => [
      ...port(`data${index + 1}`, data, 2 * index + 1),
      ...port(`errors${index + 1}`, errors, 2 * index + 2),
    ]),
  ];
}

const treeArguments = (path: string) => [
  ...['-fsdev', `local,id=host,path=${optionValue(path)},security_model=none,readonly=on,multidevs=remap`],
  ...['-device', 'virtio-9p-pci,fsdev=host,mount_tag=host'],
];

const hotplugArguments = (index: number) => [
  '-device',
  `pcie-root-port,id=hotplug${index},chassis=${index + 1},slot=${index + 1}`,
];
