/** The devices of a machine in v86: an entropy device, and both crypto devices. */
import { createEngine, VirtioCryptoDevice, VirtioCryptodevDevice } from '@skytale/cryptodev';
import { unsavable } from '@skytale/v86-host';
import type { VirtioDevice } from '@skytale/virtio';

export async function machineDevices(entropy: VirtioDevice): Promise<VirtioDevice[]> {
  return [
    entropy,
    unsavable(new VirtioCryptodevDevice(await createEngine('node'))),
    new VirtioCryptoDevice(await createEngine('openssl'), { savesSessions: true }),
  ];
}
