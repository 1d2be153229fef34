import { LoopbackTransport } from '@skytale/virtio';
import { cryptoDeviceCases } from '../crypto-device.cases.ts';
import { createEngine } from '../engines/create-engine.ts';
import { VirtioCryptoDevice } from './device.ts';
import { VirtioCryptoDriver } from './driver.ts';

/** Enough for these tests; the default would have to be cleared for each. */
const memory = { memorySize: 8 << 20 };

cryptoDeviceCases('virtio-crypto on openssl', async () => {
  const device = new VirtioCryptoDevice(await createEngine('openssl'), { dataQueues: 3 });
  return VirtioCryptoDriver.open(new LoopbackTransport(device, memory));
});
cryptoDeviceCases('virtio-crypto on openssl, without REVISION_1', async () => {
  const device = new VirtioCryptoDevice(await createEngine('openssl'));
  return VirtioCryptoDriver.open(new LoopbackTransport(device, memory), { features: 0n });
});
cryptoDeviceCases('virtio-crypto on webcrypto', async () => {
  const device = new VirtioCryptoDevice(await createEngine('webcrypto'), { dataQueues: 2 });
  return VirtioCryptoDriver.open(new LoopbackTransport(device, memory));
});
