/**
 * The driver of the virtio-cryptodev device for programs of the same process, over any transport: a
 * `CryptoDevice` whose keys and states are the device's.
 *
 * Its layers, from above: this file starts the device; `driver-port.ts` makes sessions of it for `SessionDevice`;
 * `driver-sessions.ts` is what they do; `request-port.ts` has the kinds of requests, for one queue;
 * `driver-request.ts` is one of them on its way, and `driver-memory.ts` where it lies.
 */
import type { DriverTransport } from '@skytale/virtio';
import { CryptoError } from '../crypto-error.ts';
import { asCryptoError } from '../driver-error.ts';
import { SessionDevice } from '../session-device.ts';
import { DriverMemory } from './driver-memory.ts';
import { DriverPort } from './driver-port.ts';
import { RequestPort } from './request-port.ts';
import { configLength, decodeConfig, deviceId, featureBits, requestType } from './wire.ts';

const allFeatures = Object.values(featureBits).reduce((bits, bit) => bits | (1n << BigInt(bit)), 0n);

export class VirtioCryptodevDriver extends SessionDevice {
  /**
   * Initializes the device behind `transport`, which belongs to the driver from then on: if this fails it
   * is closed.
   * @param place where the device is, for its name
   * @throws {CryptoError} CRYPTO_UNAVAILABLE if it is none that this driver can drive; CRYPTO_DEVICE_FAILED, CRYPTO_LIMIT
   */
  static async open(transport: DriverTransport, place = ''): Promise<VirtioCryptodevDriver> {
    try {
      if (transport.deviceId !== deviceId) {
        const message = `a device of id ${transport.deviceId}; virtio-cryptodev has ${deviceId}`;
        throw new CryptoError('CRYPTO_UNAVAILABLE', message);
      }
      await transport.start({ features: allFeatures });
      const config = decodeConfig(await transport.readConfig(0, configLength));
      const queues = Math.min(config.queues, transport.queues.length);
      if (config.version === 0 || queues === 0) {
        const message = `the device has version ${config.version} and ${queues} queues`;
        throw new CryptoError('CRYPTO_UNAVAILABLE', message);
      }
      const memory = new DriverMemory(transport.memory);
      const ports = transport.queues.slice(0, queues).map((queue) => new RequestPort(queue, memory));
      const handle = await ports[0]!.control({ type: requestType.open });
      return new VirtioCryptodevDriver(new DriverPort(transport, config, memory, ports, handle, place));
    } catch (error) {
      await transport.close();
      throw asCryptoError(error);
    }
  }
}
