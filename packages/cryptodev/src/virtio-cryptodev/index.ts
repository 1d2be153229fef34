export { type Statistics, VirtioCryptodevDevice, type VirtioCryptodevOptions } from './device.ts';
export { VirtioCryptodevDriver } from './driver.ts';
export { type OpenOptions, openVirtioCryptodev } from './open.ts';
