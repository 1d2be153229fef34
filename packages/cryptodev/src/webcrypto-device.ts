/** The device of a browser: an export of its own, which reaches nothing of Node's. */
import { EngineDevice, type EngineDeviceOptions } from './engine-device.ts';
import { WebCryptoEngine } from './engines/webcrypto.ts';

export type { CryptoDevice } from './crypto-device.ts';

/**
 * A device on `crypto.subtle`. The platform holds its keys, not extractable: they cannot be wiped, only let go of.
 * @throws {CryptoError} CRYPTO_UNAVAILABLE outside of a secure context (HTTPS or localhost)
 */
export function openWebCryptoDevice(options: EngineDeviceOptions = {}): EngineDevice {
  return new EngineDevice(new WebCryptoEngine(), options);
}
