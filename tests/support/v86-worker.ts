/** A worker with a machine in v86 that has an entropy and a crypto device. */
import { createEngine, VirtioCryptodevDevice } from '@skytale/cryptodev';
import { serveMachine } from '@skytale/v86-host';
import { ownNodeEndpoint } from '@skytale/v86-host/node';
import { EntropyDevice } from '../../packages/v86-host/src/testing/entropy-device.ts';

serveMachine(ownNodeEndpoint(), async () => [
  new EntropyDevice(),
  new VirtioCryptodevDevice(await createEngine('node')),
]);
