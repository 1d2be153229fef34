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
  /**
   * Sessions at a time, of the device or, of virtio-cryptodev, of each handle: up to 65,536, as many as that has for all handles
   * together. The device's own number unless told.
   */
  readonly maxSessions?: number | undefined;
  readonly counters: SharedArrayBuffer;
};

export default async function makeDevice(options: DeviceWorkerOptions): Promise<ServableDevice> {
  const { model, queues, maxSessions } = options;
  const engine = await createEngine(options.engine);
  const statistics = new DeviceCounters(options.counters);
  const sizes = { queueSize, statistics, ...(maxSessions !== undefined && { maxSessions }) };
  return model === 'virtio-crypto'
    ? new VirtioCryptoDevice(engine, { ...sizes, dataQueues: queues })
    : new VirtioCryptodevDevice(engine, { ...sizes, queues });
}
