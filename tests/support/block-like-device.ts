/**
 * The device of tests in guests, in the guise of a disk: QEMU gives the queues of its vhost-user-blk-pci a vector each,
 * which it does for no device of a kind that it does not know. It asks for as much of a configuration as disks have.
 */
import { createEngine, VirtioCryptodevDevice, type VirtioCryptodevOptions } from '@skytale/cryptodev';

/** VIRTIO 1.3, clause 5.2: the device id of disks */
export const blockId = 2;
const configSize = 256;

export default async (options: VirtioCryptodevOptions) => {
  const device = new VirtioCryptodevDevice(await createEngine('openssl'), options);
  const config = new Uint8Array(configSize);
  config.set(device.config);
  return Object.defineProperty(device, 'config', { value: config });
};
