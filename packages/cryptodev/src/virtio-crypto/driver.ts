/**
 * The driver of the standard's crypto device for programs of the same process, over any transport: a
 * `CryptoDevice` for what the device offers of ciphers, AEADs, hashes and MACs, and asymmetric keys beside.
 *
 * Its layers, from above: this file starts the device; `driver-port.ts` makes sessions of it for `SessionDevice`;
 * `driver-sessions.ts` and `driver-key.ts` are what they do; `request-port.ts` sends their requests, whose headers
 * `encode.ts` writes.
 */
import type { DriverTransport } from '@skytale/virtio';
import type { AsymmetricKeyOptions, AsymmetricName } from '../asymmetric.ts';
import { checkBytes } from '../checks.ts';
import { CryptoError } from '../crypto-error.ts';
import { asCryptoError } from '../driver-error.ts';
import { SessionDevice } from '../session-device.ts';
import { type AsymmetricKey, DriverKey } from './driver-key.ts';
import { DriverPort } from './driver-port.ts';
import { akcipherNumbers, numberIn } from './numbers.ts';
import { RequestPort } from './request-port.ts';
import {
  configLength,
  type DeviceConfig,
  decodeConfig,
  deviceId,
  featureBit,
  hardwareReady,
  hasBit,
  service,
} from './wire.ts';

export type DriverOptions = {
  /** Where the device is, for the name of the driver. */
  readonly place?: string;
  /** Features to accept if they are offered; all of the standard's unless told. None: as Linux's driver does it. */
  readonly features?: bigint;
};

const allFeatures = Object.values(featureBit).reduce((bits, bit) => bits | (1n << BigInt(bit)), 0n);

export class VirtioCryptoDriver extends SessionDevice {
  readonly #requests: RequestPort;

  private constructor(requests: RequestPort, features: bigint, place: string) {
    super(new DriverPort(requests, features, place));
    this.#requests = requests;
  }

  /**
   * Initializes the device behind `transport`, which belongs to the driver from then on: if this fails it
   * is closed.
   * @throws {CryptoError} CRYPTO_UNAVAILABLE if it is none that this driver can drive, or not ready; CRYPTO_DEVICE_FAILED
   */
  static async open(transport: DriverTransport, options: DriverOptions = {}): Promise<VirtioCryptoDriver> {
    const { place = '', features = allFeatures } = options;
    try {
      if (transport.deviceId !== deviceId) {
        const message = `a device of id ${transport.deviceId}; virtio-crypto has ${deviceId}`;
        throw new CryptoError('CRYPTO_UNAVAILABLE', message);
      }
      const accepted = await transport.start({ features: features & allFeatures });
      const config = decodeConfig(await transport.readConfig(0, configLength));
      checkConfig(config, transport.queues.length);
      const isRevision1 = hasBit(accepted, featureBit.REVISION_1);
      return new VirtioCryptoDriver(new RequestPort(transport, config, isRevision1), accepted, place);
    } catch (error) {
      await transport.close();
      throw asCryptoError(error);
    }
  }

  /** Whether `createKey` knows the algorithm. */
  supportsKeysOf(algorithm: AsymmetricName): boolean {
    const { services, akciphers } = this.#requests.config;
    return services.includes(service.AKCIPHER) && akciphers.includes(numberIn(akcipherNumbers, algorithm));
  }

  /**
   * Gives an asymmetric key to the device.
   * @throws {CryptoError} CRYPTO_UNKNOWN_ALGORITHM, CRYPTO_DEVICE_FAILED if the device refuses the key, CRYPTO_LIMIT,
   *   CRYPTO_CLOSED
   */
  createKey(options: AsymmetricKeyOptions): Promise<AsymmetricKey> {
    return this.adopt(async () => {
      if (!this.supportsKeysOf(options.algorithm)) throw this.unknown(options.algorithm);
      checkBytes('key', options.key);
      return DriverKey.create(this.#requests, options);
    });
  }
}

function checkConfig(config: DeviceConfig, queues: number): void {
  if ((config.status & hardwareReady) === 0) {
    throw new CryptoError(
      'CRYPTO_UNAVAILABLE',
      'the device is not ready: VIRTIO_CRYPTO_S_HW_READY is not set',
    );
  }
  // The control queue is the one behind the data queues (5.9.2).
  if (config.maxDataQueues < 1 || queues <= config.maxDataQueues) {
    const message = `the device has ${queues} queues, and says that ${config.maxDataQueues} of them are for data`;
    throw new CryptoError('CRYPTO_UNAVAILABLE', message);
  }
}
