/** The device of tests in guests, in a worker of vhost-user. */
import { createEngine, VirtioCryptodevDevice, type VirtioCryptodevOptions } from '@skytale/cryptodev';

export default async (options: VirtioCryptodevOptions) =>
  new VirtioCryptodevDevice(await createEngine('auto'), options);
