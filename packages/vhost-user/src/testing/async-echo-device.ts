/** An echo device for `serveDevice` that answers in the event loop, a while later. */
import { setImmediate } from 'node:timers/promises';
import type { VirtioRequest } from '@skytale/virtio';
import { EchoDevice } from './echo-device.ts';

class AsyncEchoDevice extends EchoDevice {
  override async handle(_queueIndex: number, request: VirtioRequest): Promise<void> {
    for (let i = 0; i < 3; i++) await setImmediate();
    super.handle(_queueIndex, request);
  }
}

export default async function makeDevice({ refuse = false }: { refuse?: boolean } = {}): Promise<EchoDevice> {
  await setImmediate();
  if (refuse) throw new Error('there is no such device');
  return new AsyncEchoDevice();
}
