/**
 * A device for tests: answers each request with its own bytes, at once or later, and keeps crypto sessions
 * that are nothing but ids. Its configuration space is 8 bytes, all writable.
 */
import type { DriverLink, VirtioDevice, VirtioRequest } from '@skytale/virtio';
import type { CryptoSessionHandler } from '../servable-device.ts';

export class EchoDevice implements VirtioDevice, CryptoSessionHandler {
  readonly deviceId = 42;
  readonly features = 1n;
  readonly queueSizes = [64, 16];
  readonly config = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  readonly sessions = new Set<bigint>();
  /** Requests are kept here until `answerAll`. */
  readonly held: VirtioRequest[] = [];
  hold = false;
  activated: bigint | undefined;
  driver: DriverLink | undefined;
  resets = 0;
  closed = false;

  activate(features: bigint, driver: DriverLink): void {
    this.activated = features;
    this.driver = driver;
  }

  writeConfig(offset: number, bytes: Uint8Array): void {
    this.config.set(bytes, offset);
  }

  handle(_queueIndex: number, request: VirtioRequest): void {
    if (this.hold) this.held.push(request);
    else this.#answer(request);
  }

  answerAll(): void {
    for (const request of this.held.splice(0)) this.#answer(request);
  }

  reset(): void {
    this.resets += 1;
    this.sessions.clear();
  }

  close(): void {
    this.closed = true;
  }

  createSession(message: Uint8Array): void {
    const id = BigInt(this.sessions.size + 1);
    this.sessions.add(id);
    // The id's place in QEMU 7.2's layout and in that of 8.0 and later.
    new DataView(message.buffer, message.byteOffset).setBigUint64(
      message.length === 632 ? 0 : 1064,
      id,
      true,
    );
  }

  closeSession(id: bigint): void {
    if (!this.sessions.delete(id)) throw new Error('it is not open');
  }

  #answer(request: VirtioRequest): void {
    const length = Math.min(request.readable.byteLength, request.writable.byteLength);
    if (length > 0) request.writable.copyFrom(0, length, request.readable.toBytes());
    request.complete(length);
  }
}

/** For `serveDevice`. */
export default function makeDevice(): EchoDevice {
  return new EchoDevice();
}
