/** An echo device that keeps all requests. It gives them back when a queue stops, unless it is told not to. */
import type { VirtioRequest } from '@skytale/virtio';
import { EchoDevice } from './echo-device.ts';

export class KeepingDevice extends EchoDevice {
  readonly #givesBack: boolean;
  /** Queues that run. */
  readonly running = new Set<number>();
  readonly #queueOf = new Map<VirtioRequest, number>();

  constructor(givesBack = true) {
    super();
    this.#givesBack = givesBack;
    this.hold = true;
  }

  override handle(queueIndex: number, request: VirtioRequest): void {
    this.#queueOf.set(request, queueIndex);
    super.handle(queueIndex, request);
  }

  startQueue(queueIndex: number): void {
    this.running.add(queueIndex);
  }

  stopQueue(queueIndex: number): void {
    this.running.delete(queueIndex);
    if (!this.#givesBack) return;
    for (const request of this.held.splice(0)) {
      if (this.#queueOf.get(request) === queueIndex) request.giveBack();
      else this.held.push(request);
    }
  }
}

/** For `serveDevice`. */
export default function makeDevice({ givesBack = true }: { givesBack?: boolean } = {}): KeepingDevice {
  return new KeepingDevice(givesBack);
}
