export type {
  AsymmetricKeyOptions,
  AsymmetricName,
  CurveName,
  EcdsaKeyOptions,
  RsaHash,
  RsaKeyOptions,
} from '../asymmetric.ts';
export {
  type Statistics as VirtioCryptoStatistics,
  VirtioCryptoDevice,
  type VirtioCryptoOptions,
} from './device.ts';
export { type DriverOptions as VirtioCryptoDriverOptions, VirtioCryptoDriver } from './driver.ts';
export type { AsymmetricKey } from './driver-key.ts';
export * as virtioCryptoRequests from './encode.ts';
export type { VirtioCryptoDeviceOptions } from './make-device.ts';

/** For `serveDevice` of a transport: the module whose default export makes the device, of VirtioCryptoDeviceOptions. */
export const virtioCryptoDeviceModule = new URL('./make-device.ts', import.meta.url);
