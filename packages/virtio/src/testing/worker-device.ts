/** A worker module for tests: a device that does what the first byte of a request says. */
import { setTimeout as delay } from 'node:timers/promises';
import { workerData } from 'node:worker_threads';
import { serveInWorker } from '../in-process/index.ts';
import type { VirtioRequest } from '../virtio-device.ts';
import { ReverseDevice } from './reverse-device.ts';
import { COMMANDS } from './worker-commands.ts';

class CommandedDevice extends ReverseDevice {
  override handle(queueIndex: number, request: VirtioRequest): void | Promise<void> {
    const command = request.readable.slice(0, Math.min(1, request.readable.byteLength)).toBytes()[0];
    switch (command) {
      case COMMANDS.throw:
        throw new Error('told to throw');
      case COMMANDS.reject:
        return Promise.reject(new Error('told to reject'));
      case COMMANDS.exit:
        return process.exit(3);
      case COMMANDS.later:
        return this.#later(queueIndex, request);
      case COMMANDS.never:
        return new Promise(() => {});
      case COMMANDS.change:
        this.config[0]! += 1;
        this.driver!.configChanged();
        return super.handle(queueIndex, request);
      default:
        return super.handle(queueIndex, request);
    }
  }

  async #later(queueIndex: number, request: VirtioRequest): Promise<void> {
    await delay(5);
    super.handle(queueIndex, request);
  }

  override close(): void {
    if (workerData.device === 'fail to close') throw new Error('told to fail at close');
  }
}

if (workerData.device === 'fail to start') throw new Error('told not to start');
if (workerData.device === 'end at once') process.exit(0);
await serveInWorker(new CommandedDevice([256, 8]));
