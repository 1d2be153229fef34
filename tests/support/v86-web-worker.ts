/** A worker in a browser with a machine of an entropy device, one that nobody drives, and a crypto device. */

import { ownWebEndpoint, serveMachine } from '@skytale/v86-host';
import type { VirtioDevice } from '@skytale/virtio';
import { WebCryptoEngine } from '../../packages/cryptodev/src/engines/webcrypto.ts';
import { VirtioCryptoDevice } from '../../packages/cryptodev/src/virtio-crypto/device.ts';
import { EntropyDevice } from '../../packages/v86-host/src/testing/entropy-device.ts';

/** In the place of a device that is Node's. */
const placeholder: VirtioDevice = {
  deviceId: 63,
  features: 0n,
  queueSizes: [256],
  config: new Uint8Array(72),
  handle: (_queueIndex, request) => request.complete(0),
  reset() {},
  close() {},
};

serveMachine(ownWebEndpoint(), () => [
  new EntropyDevice(),
  placeholder,
  new VirtioCryptoDevice(new WebCryptoEngine(), { savesSessions: true }),
]);
