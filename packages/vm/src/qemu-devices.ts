/** Devices that QEMU attaches to a guest, described once for the command line and for hot plug. */
import type { Qemu } from './qemu.ts';
import { VmError } from './vm-error.ts';

/** All that decides what a QEMU can attach. */
export type QemuVersion = Pick<Qemu, 'version' | 'major'>;

export type Property = string | number | boolean;

export interface QemuDevice {
  /** QEMU's name of the device, unique in the guest. */
  readonly id: string;
  /** Unix sockets that QEMU connects to, by the name that the other parts use. */
  readonly sockets: readonly { readonly id: string; readonly path: string }[];
  /** QEMU objects behind the device: `qom-type`, `id` and properties. */
  readonly objects: readonly Readonly<Record<string, Property>>[];
  /** `driver` and properties. */
  readonly properties: Readonly<Record<string, Property>>;
  /** Linux modules that drive it. */
  readonly modules: readonly string[];
}

const cryptoModules = ['virtio_pci', 'virtio_crypto', 'algif_skcipher'];

/**
 * QEMU before 11 crashes, when it emulates the CPU, where a vhost crypto device interrupts by MSI-X (seen with 7.2):
 * there it interrupts by INTx.
 */
const withoutMsiX = (qemu: QemuVersion) => (qemu.major < 11 ? { vectors: 0 } : {});

/** What every virtio-crypto device of QEMU has in common: a front for some back end `backend`. */
function cryptoDevice(id: string, backend: Record<string, Property>): Omit<QemuDevice, 'sockets'> {
  const name = `${id}-backend`;
  return {
    id,
    objects: [{ ...backend, id: name }],
    properties: { driver: 'virtio-crypto-pci', id, cryptodev: name },
    modules: cryptoModules,
  };
}

export interface VhostUserOptions {
  /** Path of the Unix socket on which the back end listens. */
  readonly socket: string;
  readonly id?: string;
}

/** virtio-crypto of which QEMU keeps the control queue, and a vhost-user back end the data queues. */
export function vhostUserCrypto(
  qemu: QemuVersion,
  options: VhostUserOptions & { readonly queues?: number },
): QemuDevice {
  const { socket, id = 'crypto0', queues = 1 } = options;
  const channel = `${id}-channel`;
  const device = cryptoDevice(id, { 'qom-type': 'cryptodev-vhost-user', chardev: channel, queues });
  return {
    ...device,
    properties: { ...device.properties, ...withoutMsiX(qemu) },
    sockets: [{ id: channel, path: socket }],
  };
}

/** virtio-crypto with QEMU's own back end. */
export function builtinCrypto(id = 'crypto0'): QemuDevice {
  return { ...cryptoDevice(id, { 'qom-type': 'cryptodev-backend-builtin' }), sockets: [] };
}

export interface VhostUserDeviceOptions extends VhostUserOptions {
  /** The virtio device id (VIRTIO 1.3, clause 5). */
  readonly virtioId: number;
  /** All of the device's queues. */
  readonly queues: number;
  /** Of each queue, in descriptors: a power of two, at most 1024. Default: QEMU's, 64. */
  readonly queueSize?: number;
  /** Bytes of its configuration space. */
  readonly configSize: number;
  readonly modules?: readonly string[];
}

/** A virtio device of any kind, all of it served by a vhost-user back end. Needs QEMU 11. */
export function vhostUserDevice(qemu: QemuVersion, options: VhostUserDeviceOptions): QemuDevice {
  const { socket, id = 'device0', virtioId, queues, queueSize, configSize } = options;
  if (qemu.major < 11)
    throw new VmError('unsupported', `QEMU ${qemu.version} has no generic vhost-user device; 11 has`);
  const channel = `${id}-channel`;
  return {
    id,
    sockets: [{ id: channel, path: socket }],
    objects: [],
    properties: {
      driver: 'vhost-user-test-device-pci',
      id,
      chardev: channel,
      'virtio-id': virtioId,
      num_vqs: queues,
      ...(queueSize !== undefined && { vq_size: queueSize }),
      config_size: configSize,
    },
    modules: options.modules ?? ['virtio_pci'],
  };
}

const text = (value: Property) => (typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value));

/** A value of QEMU's option syntax, in which a comma inside a value is doubled. */
export const optionValue = (value: Property) => text(value).replaceAll(',', ',,');

/** `first,key=value,…` */
function option(first: Property, rest: Readonly<Record<string, Property>>): string {
  return [
    optionValue(first),
    ...Object.entries(rest).map(([key, value]) => `${key}=${optionValue(value)}`),
  ].join(',');
}

/** The arguments that attach the device at the start. */
export function deviceArguments({ sockets, objects, properties }: QemuDevice): string[] {
  const { driver = '', ...rest } = properties;
  return [
    ...sockets.flatMap(({ id, path }) => ['-chardev', option('socket', { id, path })]),
    ...objects.flatMap(({ 'qom-type': type = '', ...object }) => ['-object', option(type, object)]),
    '-device',
    option(driver, rest),
  ];
}

/** The arguments that vhost-user devices need beside their own: guest memory that others can map; and the machine's. */
export function sharedMemoryArguments(mebibytes: number, board = 'q35'): string[] {
  return [
    ...['-object', option('memory-backend-memfd', { id: 'mem', size: `${mebibytes}M`, share: true })],
    ...['-machine', `${board},memory-backend=mem`, '-m', String(mebibytes)],
  ];
}
