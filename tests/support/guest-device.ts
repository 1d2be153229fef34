/** The device of tests in guests, in a worker of vhost-user. */
import {
  chooseEngine,
  createEngine,
  VirtioCryptodevDevice,
  type VirtioCryptodevOptions,
} from '@skytale/cryptodev';

export default async (options: VirtioCryptodevOptions) =>
  new VirtioCryptodevDevice(await createEngine(await chooseEngine('auto')), options);
