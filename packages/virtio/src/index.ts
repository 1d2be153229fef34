export { type DeviceNotifications, DeviceState, type QueueOverrides } from './device-state.ts';
export { DriverQueue, type DriverQueueOptions, type GuestRange, indirectTablesSize } from './driver-queue.ts';
export type { DriverTransport, StartOptions } from './driver-transport.ts';
export * from './features.ts';
export { GuestMemory, type GuestRegion } from './guest-memory.ts';
export { LookWindow } from './look-window.ts';
export { LoopbackTransport } from './loopback-transport.ts';
export { type GuestBuffer, MemoryAllocator } from './memory-allocator.ts';
export type { RequestOptions, RequestQueue } from './request-queue.ts';
export { MemoryBlock, Segments } from './segments.ts';
export { mapRing, type QueueLayout, ringSizes } from './split-ring.ts';
export {
  type QueueIndices,
  type RequestTracker,
  SplitVirtqueue,
  type VirtqueueOptions,
} from './split-virtqueue.ts';
export { BufferTransfer, CopyTransfer, type Transfer } from './transfer.ts';
export { type DeviceIdentity, TransportBase } from './transport-base.ts';
export type { DriverLink, SavableDevice, VirtioDevice, VirtioRequest } from './virtio-device.ts';
export {
  VirtioError,
  type VirtioErrorCode,
  VirtqueueError,
  type VirtqueueErrorCode,
} from './virtio-error.ts';
