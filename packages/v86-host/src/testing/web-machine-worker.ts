/** A worker for tests in a browser: a machine with an entropy device, and one that nobody drives. */
import type { VirtioDevice } from '@skytale/virtio';
import { serveMachine } from '../worker/serve-machine.ts';
import { ownWebEndpoint } from '../worker/web-worker.ts';
import { EntropyDevice } from './entropy-device.ts';

/** In the place of a crypto device of Node's. */
const placeholder: VirtioDevice = {
  deviceId: 63,
  features: 0n,
  queueSizes: [256],
  config: new Uint8Array(72),
  handle: (_queueIndex, request) => request.complete(0),
  reset() {},
  close() {},
};

serveMachine(ownWebEndpoint(), () => [new EntropyDevice(), placeholder]);
