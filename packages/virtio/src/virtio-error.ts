/** What goes wrong, with stable codes: programs look at `code`, people at `message`. */

/** What the other side of a virtqueue did that VIRTIO 1.3, section 2.7 does not allow. */
export type VirtqueueErrorCode =
  | 'VIRTQUEUE_NOT_READY'
  | 'VIRTQUEUE_SIZE'
  | 'VIRTQUEUE_UNALIGNED'
  | 'VIRTQUEUE_RING_OUTSIDE_MEMORY'
  | 'VIRTQUEUE_AVAILABLE_JUMP'
  | 'VIRTQUEUE_DESCRIPTOR_INDEX'
  | 'VIRTQUEUE_HEAD_IN_FLIGHT'
  | 'VIRTQUEUE_CHAIN_TOO_LONG'
  | 'VIRTQUEUE_OUTSIDE_MEMORY'
  | 'VIRTQUEUE_EMPTY_DESCRIPTOR'
  | 'VIRTQUEUE_TOO_MANY_BYTES'
  | 'VIRTQUEUE_WRITABLE_BEFORE_READABLE'
  | 'VIRTQUEUE_INDIRECT_NOT_NEGOTIATED'
  | 'VIRTQUEUE_INDIRECT_NESTED'
  | 'VIRTQUEUE_INDIRECT_WITH_NEXT'
  | 'VIRTQUEUE_INDIRECT_LENGTH'
  | 'VIRTQUEUE_USED_JUMP'
  | 'VIRTQUEUE_USED_ID'
  | 'VIRTQUEUE_USED_LENGTH';

export type VirtioErrorCode =
  | VirtqueueErrorCode
  /** The driver wrote the device status out of order, or cleared a bit of it. */
  | 'VIRTIO_STATUS'
  /** The features cannot be agreed on. */
  | 'VIRTIO_FEATURES'
  /** There is no queue of that index. */
  | 'VIRTIO_QUEUE_INDEX'
  /** An access outside of the configuration space. */
  | 'VIRTIO_CONFIG_BOUNDS'
  /** The device's own code failed. */
  | 'VIRTIO_DEVICE_FAILED'
  /** The device set DEVICE_NEEDS_RESET. */
  | 'VIRTIO_NEEDS_RESET'
  /** The thread or process of the device ended. */
  | 'VIRTIO_DEVICE_DIED'
  /** `start` was not called, or the device was reset since. */
  | 'VIRTIO_NOT_STARTED'
  | 'VIRTIO_CLOSED'
  /** The request is empty, or has a length that cannot be. */
  | 'VIRTIO_INVALID_REQUEST'
  /** The request is larger than the memory shared with the device, or that is all in use. */
  | 'VIRTIO_OUT_OF_MEMORY'
  /** Too many requests wait for room in a queue. */
  | 'VIRTIO_BUSY';

export class VirtioError extends Error {
  readonly code: VirtioErrorCode;

  constructor(code: VirtioErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'VirtioError';
    this.code = code;
  }
}

/** The other side broke the rules of the virtqueue; nothing it says can be relied on until a reset. */
export class VirtqueueError extends VirtioError {
  declare readonly code: VirtqueueErrorCode;

  constructor(code: VirtqueueErrorCode, message: string) {
    super(code, message);
    this.name = 'VirtqueueError';
  }
}

/** `error` as it is if it is a VirtioError, else wrapped into one that says who failed. */
export function asVirtioError(error: unknown, code: VirtioErrorCode, context: string): VirtioError {
  if (error instanceof VirtioError) return error;
  const what = error instanceof Error ? error.message : String(error);
  return new VirtioError(code, `${context}: ${what}`, { cause: error });
}
