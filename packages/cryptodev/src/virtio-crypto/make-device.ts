/** The module that makes the device in whatever thread serves it: its default export takes what can be cloned. */
import type { EngineName } from '../engine.ts';
import { createEngine } from '../engines/create-engine.ts';
import { VirtioCryptoDevice, type VirtioCryptoOptions } from './device.ts';

export type VirtioCryptoDeviceOptions = {
  /** What does the cryptography, `openssl` unless told. */
  readonly engine?: EngineName;
  readonly device?: VirtioCryptoOptions;
};

/** @throws {CryptoError} CRYPTO_UNAVAILABLE if the engine does not work here */
export default async function makeDevice(
  options: VirtioCryptoDeviceOptions = {},
): Promise<VirtioCryptoDevice> {
  return new VirtioCryptoDevice(await createEngine(options.engine ?? 'openssl'), options.device);
}
