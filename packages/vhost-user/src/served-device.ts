import {
  DeviceState,
  type DriverLink,
  GuestMemory,
  type VirtioDevice,
  type VirtioRequest,
} from '@skytale/virtio';
import type { Counters } from './backend-events.ts';
import { CONFIG_SPACE_MAX } from './protocol.ts';

/** Messages about a ring's eventfds have 8 bits for its index. */
const QUEUES_MAX = 256;

/**
 * What a device may offer to a front end that keeps the crypto control queue to itself and sends sessions
 * as messages (QEMU's cryptodev-vhost-user): VHOST_USER_PROTOCOL_F_CRYPTO_SESSION.
 */
export interface CryptoSessionHandler {
  /**
   * Answers CREATE_CRYPTO_SESSION in place. `message` is the payload as it came, 632 bytes (QEMU up to 7.2)
   * or 1072 (from 8.0), and goes back as it is left: with the session's id, negative for an error, in the
   * field that the layout has for it. It is wiped afterwards. If this throws, the connection ends.
   */
  createSession(message: Uint8Array): void;
  /** CLOSE_CRYPTO_SESSION. If this throws, as for an id that is not open, that is reported and nothing more. */
  closeSession(id: bigint): void;
}

export type ServableDevice = VirtioDevice & Partial<CryptoSessionHandler>;

/** A device, and a count of what passes through it. */
export class ServedDevice implements VirtioDevice {
  readonly inner: ServableDevice;
  readonly deviceId: number;
  readonly features: bigint;
  readonly queueSizes: readonly number[];
  readonly usesEventLoop: boolean;
  readonly #counters: Counters;

  constructor(inner: ServableDevice, counters: Counters) {
    this.inner = inner;
    this.deviceId = inner.deviceId;
    this.features = inner.features;
    this.queueSizes = inner.queueSizes;
    this.usesEventLoop = inner.usesEventLoop ?? false;
    this.#counters = counters;
  }

  /** @throws {RangeError} if it cannot be served: better now than when the first guest comes */
  check(): void {
    new DeviceState(this, new GuestMemory([]), { usedBuffers: () => {}, configChanged: () => {} });
    const { length } = this.queueSizes;
    if (length < 1 || length > QUEUES_MAX)
      throw new RangeError(`a device has 1 to ${QUEUES_MAX} queues, not ${length}`);
    if (this.config.length > CONFIG_SPACE_MAX) {
      throw new RangeError(`${this.config.length} bytes of configuration are more than ${CONFIG_SPACE_MAX}`);
    }
  }

  get config(): Uint8Array {
    return this.inner.config;
  }

  get cryptoSessions(): CryptoSessionHandler | undefined {
    const { inner } = this;
    return inner.createSession && inner.closeSession ? (inner as CryptoSessionHandler) : undefined;
  }

  activate(features: bigint, driver: DriverLink): void {
    this.inner.activate?.(features, driver);
  }

  startQueue(queueIndex: number): void {
    this.inner.startQueue?.(queueIndex);
  }

  stopQueue(queueIndex: number): void {
    this.inner.stopQueue?.(queueIndex);
  }

  writeConfig(offset: number, bytes: Uint8Array): void {
    this.inner.writeConfig?.(offset, bytes);
  }

  handle(queueIndex: number, request: VirtioRequest): void | Promise<void> {
    this.#counters.add('requests');
    this.#counters.add('readableBytes', request.readable.byteLength);
    this.#counters.add('writableBytes', request.writable.byteLength);
    return this.inner.handle(queueIndex, request);
  }

  flush(queueIndex: number): void {
    this.inner.flush?.(queueIndex);
  }

  reset(): void {
    this.inner.reset();
  }

  close(): void | Promise<void> {
    return this.inner.close();
  }
}
