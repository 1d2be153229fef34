import { LoopbackTransport } from '@skytale/virtio';
import { cryptoDeviceCases } from '../crypto-device.cases.ts';
import { createEngine } from '../engines/create-engine.ts';
import { VirtioCryptodevDevice } from './device.ts';
import { VirtioCryptodevDriver } from './driver.ts';
import { openVirtioCryptodev } from './open.ts';

for (const engine of ['openssl', 'node'] as const) {
  cryptoDeviceCases(`virtio-cryptodev in this thread on ${engine}`, async () => {
    const device = new VirtioCryptodevDevice(await createEngine(engine), { queues: 3 });
    return VirtioCryptodevDriver.open(new LoopbackTransport(device));
  });
  cryptoDeviceCases(`virtio-cryptodev in a worker on ${engine}`, () => openVirtioCryptodev({ engine }));
}
