/** A device for `serveDevice` that answers with how often its thread's event loop has turned: one byte. */
import type { VirtioRequest } from '@skytale/virtio';
import { EchoDevice } from './echo-device.ts';

class TurnCountingDevice extends EchoDevice {
  #turns = 0;

  constructor() {
    super();
    this.#count();
  }

  override handle(_queueIndex: number, request: VirtioRequest): void {
    request.writable.copyFrom(0, 1, Uint8Array.of(this.#turns));
    request.complete(1);
  }

  #count(): void {
    setImmediate(() => {
      this.#turns += 1;
      this.#count();
    }).unref();
  }
}

export default function makeDevice(): TurnCountingDevice {
  return new TurnCountingDevice();
}
