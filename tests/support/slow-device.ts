/** The device of tests in guests, each answer of which takes longer than a driver may look for it, in a worker. */
import { setTimeout } from 'node:timers/promises';
import { createEngine, VirtioCryptodevDevice, type VirtioCryptodevOptions } from '@skytale/cryptodev';
import type { VirtioRequest } from '@skytale/virtio';

/** Milliseconds: several times the millisecond that the guest's driver looks at most */
const delay = 5;

class SlowDevice extends VirtioCryptodevDevice {
  override async handle(queueIndex: number, request: VirtioRequest): Promise<void> {
    await setTimeout(delay);
    await super.handle(queueIndex, request);
  }
}

export default async (options: VirtioCryptodevOptions) =>
  new SlowDevice(await createEngine('openssl'), options);
