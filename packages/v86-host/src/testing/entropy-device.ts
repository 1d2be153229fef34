/** The entropy device: VIRTIO 1.3, section 5.4. A whole device, small enough to be an example. */
import type { VirtioDevice, VirtioRequest } from '@skytale/virtio';

/** Most bytes for one request: as many as `getRandomValues` gives at once. */
const LARGEST = 65_536;

export class EntropyDevice implements VirtioDevice {
  readonly deviceId = 4;
  readonly features = 0n;
  readonly queueSizes = [64];
  readonly config = new Uint8Array(0);
  /** Bytes given to the driver. */
  given = 0;

  handle(_queueIndex: number, request: VirtioRequest): void {
    const length = Math.min(request.writable.byteLength, LARGEST);
    request.writable.copyFrom(0, length, crypto.getRandomValues(new Uint8Array(length)));
    this.given += length;
    request.complete(length);
  }

  reset(): void {}
  close(): void {}
}
