import { DeviceState, GuestMemory, type VirtioDevice } from '@skytale/virtio';
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

/** @throws {RangeError} if it cannot be served: better now than when the first guest comes */
export function checkServable(device: ServableDevice): void {
  new DeviceState(device, new GuestMemory([]), { usedBuffers: () => {}, configChanged: () => {} });
  const { length } = device.queueSizes;
  if (length < 1 || length > QUEUES_MAX)
    throw new RangeError(`a device has 1 to ${QUEUES_MAX} queues, not ${length}`);
  if (device.config.length > CONFIG_SPACE_MAX) {
    throw new RangeError(`${device.config.length} bytes of configuration are more than ${CONFIG_SPACE_MAX}`);
  }
}

/** The device's crypto sessions, if it has what that takes. */
export function cryptoSessionsOf(device: ServableDevice): CryptoSessionHandler | undefined {
  return device.createSession && device.closeSession ? (device as CryptoSessionHandler) : undefined;
}
