import { type SavableDevice, type VirtioDevice, VirtioError } from '@skytale/virtio';
import { WatchedDevice } from './watched-device.ts';

/**
 * A device that keeps something between requests and cannot be saved. A driver that was using it when its machine
 * was saved finds it, when that is put back, in need of a reset (DEVICE_NEEDS_RESET: VIRTIO 1.3, section 2.1.2),
 * rather than in order and without what the driver relies on.
 */
export class UnsavableDevice extends WatchedDevice implements SavableDevice {
  constructor(device: VirtioDevice) {
    super(device, () => {});
  }

  saveState(): undefined {}

  restoreState(): never {
    throw new VirtioError('VIRTIO_NEEDS_RESET', 'what this device had was not saved with its machine');
  }
}
