/** Makes the device, in the thread that serves it. */
import { createEngine, type EngineName, VirtioCryptoDevice, VirtioCryptodevDevice } from '@skytale/cryptodev';
import { CountedDevice } from './counted-device.ts';
import { DeviceCounters } from './device-counters.ts';
import { type ModelName, queueSize } from './models.ts';

export type DeviceWorkerOptions = {
  readonly model: ModelName;
  readonly engine: EngineName;
  /** Data queues. */
  readonly queues: number;
  readonly counters: SharedArrayBuffer;
};

export default async function makeDevice(options: DeviceWorkerOptions): Promise<CountedDevice> {
  const { model, queues } = options;
  const engine = await createEngine(options.engine);
  const device =
    model === 'virtio-crypto'
      ? new VirtioCryptoDevice(engine, { dataQueues: queues, queueSize })
      : new VirtioCryptodevDevice(engine, { queues, queueSize });
  return new CountedDevice(device, new DeviceCounters(options.counters));
}
