/** The devices that can be served to a virtual machine, as QEMU has to be told about them. */
import { type QemuDevice, type QemuVersion, vhostUserCrypto, vhostUserDevice } from '@skytale/vm';

/** What is the same in all devices of a model. */
type Model = {
  /** The device id by which QEMU attaches it. */
  readonly virtioId: number;
  /** Bytes of the configuration space. */
  readonly configSize: number;
  /** Queues that a device has beside its data queues. */
  readonly controlQueues: number;
  /** Linux modules that drive it. */
  readonly modules: readonly string[];
};

export const models = {
  'virtio-crypto': {
    virtioId: 20,
    configSize: 56,
    controlQueues: 1,
    modules: ['virtio_pci', 'virtio_crypto', 'algif_skcipher'],
  },
  // Its own id is 63, but QEMU takes only ids that it has names for. Our driver knows it by this one too, which
  // was once given to a device for signal distribution that nobody made.
  'virtio-cryptodev': { virtioId: 21, configSize: 72, controlQueues: 0, modules: ['virtio_pci'] },
} as const satisfies Record<string, Model>;

export type ModelName = keyof typeof models;

/** Of each queue, in descriptors: as many as QEMU's own crypto device has. */
export const queueSize = 1024;

/** QEMU has carried devices of any kind from this version on; before, it knows the standard's crypto device only. */
const firstGeneric = 11;

export function canAttach(qemu: QemuVersion, model: ModelName): boolean {
  return model === 'virtio-crypto' || qemu.major >= firstGeneric;
}

/**
 * The device as QEMU attaches it. The standard's is attached whole where QEMU can do that; where not, QEMU serves
 * the control queue, and that means ciphers only.
 * @param queues data queues
 * @throws {VmError} `unsupported` if this QEMU cannot
 */
export function qemuDevice(qemu: QemuVersion, model: ModelName, socket: string, queues: number): QemuDevice {
  if (qemu.major < firstGeneric && model === 'virtio-crypto') {
    return vhostUserCrypto(qemu, { socket, queues });
  }
  const { virtioId, configSize, controlQueues, modules } = models[model];
  const id = 'crypto0';
  const all = queues + controlQueues;
  return vhostUserDevice(qemu, { socket, id, virtioId, queues: all, queueSize, configSize, modules });
}
