/** Makes the device, in the thread that serves it. */
import { createEngine, type EngineName, VirtioCryptoDevice, VirtioCryptodevDevice } from '@skytale/cryptodev';
import type { ServableDevice } from '@skytale/vhost-user';
import { DeviceCounters } from './device-counters.ts';
import { type ModelName, queueSize } from './models.ts';

export type DeviceWorkerOptions = {
  readonly model: ModelName;
  readonly engine: EngineName;
  /** Data queues. */
  readonly queues: number;
  readonly counters: SharedArrayBuffer;
};

export default async function makeDevice(options: DeviceWorkerOptions): Promise<ServableDevice> {
  const { model, queues } = options;
  const engine = await createEngine(options.engine);
  const statistics = new DeviceCounters(options.counters);
  return model === 'virtio-crypto'
    ? new VirtioCryptoDevice(engine, { dataQueues: queues, queueSize, statistics })
    : new VirtioCryptodevDevice(engine, { queues, queueSize, statistics });
}
