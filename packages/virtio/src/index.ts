export { Segments } from './segments.ts';
export type { VirtioDevice, VirtioRequest } from './virtio-device.ts';
