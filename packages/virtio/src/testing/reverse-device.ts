/**
 * A device for tests: it answers with the bytes of the request in reverse, as many as there is room for.
 * Its configuration space is 8 bytes, the last 4 of them writable.
 */
import type { DriverLink, VirtioDevice, VirtioRequest } from '../virtio-device.ts';

export class ReverseDevice implements VirtioDevice {
  readonly deviceId = 42;
  readonly features = 0b101n;
  readonly queueSizes: readonly number[];
  readonly config = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  activated: bigint | undefined;
  driver: DriverLink | undefined;
  resets = 0;
  closed = false;

  constructor(queueSizes: readonly number[] = [8, 64]) {
    this.queueSizes = queueSizes;
  }

  activate(features: bigint, driver: DriverLink): void {
    this.activated = features;
    this.driver = driver;
  }

  writeConfig(offset: number, bytes: Uint8Array): void {
    bytes.forEach((byte, i) => {
      if (offset + i >= 4) this.config[offset + i] = byte;
    });
  }

  handle(_queueIndex: number, request: VirtioRequest): void | Promise<void> {
    const answer = request.readable.toBytes().reverse().subarray(0, request.writable.byteLength);
    request.writable.copyFrom(0, answer.length, answer);
    request.complete(answer.length);
  }

  reset(): void {
    this.resets += 1;
  }

  close(): void {
    this.closed = true;
  }
}
