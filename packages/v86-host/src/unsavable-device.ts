import { type SavableDevice, type VirtioDevice, VirtioError } from '@skytale/virtio';

/**
 * Marks a device that keeps something between requests and cannot be saved. A driver that was using it when its machine
 * was saved finds it, when that is put back, in need of a reset (DEVICE_NEEDS_RESET: VIRTIO 1.3, section 2.1.2), rather
 * than in order and without what the driver relies on.
 * @returns the same device
 */
export function unsavable<Device extends VirtioDevice>(device: Device): Device & SavableDevice {
  return Object.assign(device, {
    saveState: () => undefined,
    restoreState: () => {
      throw new VirtioError('VIRTIO_NEEDS_RESET', 'what this device had was not saved with its machine');
    },
  });
}
