/**
 * A device in a worker thread, over one SharedArrayBuffer. The driver's thread never blocks; a request that
 * waits for its answer keeps the process alive, an idle device does not.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { STATUS_DEVICE_NEEDS_RESET } from '../features.ts';
import type { QueueLayout } from '../split-ring.ts';
import { MEMORY_SIZE_DEFAULT, TransportBase } from '../transport-base.ts';
import { asVirtioError, VirtioError } from '../virtio-error.ts';
import {
  COMMAND_CLOSE,
  COMMAND_ENABLE_QUEUE,
  COMMAND_READ_CONFIG,
  COMMAND_WRITE_CONFIG,
  COMMAND_WRITE_FEATURES,
  COMMAND_WRITE_STATUS,
  ControlPage,
} from './control-page.ts';
import type { DeviceWorkerData } from './device-server.ts';

export interface LaunchOptions {
  /** Handed to the worker module as `workerData.device`. */
  readonly workerData?: unknown;
  /** Bytes of memory shared with the device, for rings and requests; 16 MiB unless told. */
  readonly memorySize?: number;
}

/** How long a worker may take to end after it was asked to, in milliseconds, before it is terminated. */
const CLOSE_GRACE = 5000;

export class InProcessTransport extends TransportBase {
  readonly #worker: Worker;
  readonly #page: ControlPage;
  #lastCommand = 0;
  #command: { resolve: () => void; reject: (error: VirtioError) => void } | undefined;
  /** Commands are sent one after another. */
  #commands: Promise<unknown> = Promise.resolve();
  #pending = 0;
  #configChanges = 0;
  #death: VirtioError | undefined;

  private constructor(worker: Worker, page: ControlPage) {
    const { deviceId, deviceFeatures, queueSizes } = page;
    super({ deviceId, queueSizes, offeredFeatures: deviceFeatures }, page.region);
    this.#worker = worker;
    this.#page = page;
    worker.on('error', (error) => this.#die(diedOf(error)));
    worker.on('exit', (code) => this.#die(exited(code)));
    worker.unref();
    void this.#listen();
  }

  /**
   * Starts the worker, whose module calls `serveInWorker`, and waits until the device is there.
   * @throws {VirtioError} VIRTIO_DEVICE_DIED if the worker ends instead
   */
  static async launch(module: URL, options: LaunchOptions = {}): Promise<InProcessTransport> {
    const page = ControlPage.create(options.memorySize ?? MEMORY_SIZE_DEFAULT);
    const data: DeviceWorkerData = { virtio: page.buffer, device: options.workerData };
    const worker = new Worker(module, { workerData: data, name: 'virtio-device' });
    await untilReady(worker, page);
    return new InProcessTransport(worker, page);
  }

  readConfig(offset: number, length: number): Promise<Uint8Array> {
    return this.#exclusively(async () => {
      await this.#send(COMMAND_READ_CONFIG, offset, length);
      return this.#page.readConfigBytes(length);
    });
  }

  writeConfig(offset: number, bytes: Uint8Array): Promise<void> {
    const copy = bytes.slice();
    return this.#exclusively(async () => {
      this.#page.writeConfigBytes(copy);
      await this.#send(COMMAND_WRITE_CONFIG, offset, copy.length);
    });
  }

  protected writeStatus(status: number): Promise<number> {
    return this.#exclusively(async () => {
      await this.#send(COMMAND_WRITE_STATUS, status);
      return this.#page.status;
    });
  }

  protected writeFeatures(features: bigint): Promise<void> {
    return this.#exclusively(async () => {
      this.#page.driverFeatures = features;
      await this.#send(COMMAND_WRITE_FEATURES);
    });
  }

  protected enableQueue(index: number, layout: QueueLayout): Promise<void> {
    return this.#exclusively(async () => {
      this.#page.writeLayout(index, layout);
      await this.#send(COMMAND_ENABLE_QUEUE, index);
    });
  }

  protected kick(index: number): void {
    this.#page.kick(index);
  }

  protected override pendingChanged(change: 1 | -1): void {
    this.#pending += change;
    if (change === 1 && this.#pending === 1) this.#worker.ref();
    if (this.#pending === 0) this.#worker.unref();
  }

  protected async closeDevice(): Promise<void> {
    if (this.#death !== undefined) return;
    this.#worker.ref();
    const ended = once(this.#worker, 'exit');
    this.#page.sendCommand({ number: ++this.#lastCommand, command: COMMAND_CLOSE, argument: 0, length: 0 });
    const grace = setTimeout(() => void this.#worker.terminate(), CLOSE_GRACE);
    try {
      await ended;
    } catch (error) {
      throw diedOf(error);
    } finally {
      clearTimeout(grace);
    }
  }

  /** Commands share registers: one after another. */
  #exclusively<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#commands.then(action);
    this.#commands = result.catch(() => {});
    return result;
  }

  async #send(command: number, argument = 0, length = 0): Promise<void> {
    if (this.#death !== undefined) throw this.#death;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#command = { resolve, reject };
    this.pendingChanged(1);
    this.#page.sendCommand({ number: ++this.#lastCommand, command, argument, length });
    try {
      await promise;
    } finally {
      this.pendingChanged(-1);
    }
  }

  async #listen(): Promise<void> {
    while (this.#death === undefined) {
      const seen = this.#page.driverDoorbell;
      this.#poll();
      await this.#page.waitDriver(seen);
    }
  }

  #poll(): void {
    for (const queue of this.queues) this.usedBuffers(queue.index);
    const { status } = this.#page;
    // The reason is text to decode: only where there is one.
    if ((status & STATUS_DEVICE_NEEDS_RESET) !== 0) this.needsReset(status, this.#page.reason);
    const { configChanges } = this.#page;
    if (configChanges !== this.#configChanges) {
      this.#configChanges = configChanges;
      this.configChanged();
    }
    const command = this.#command;
    if (command === undefined || this.#page.answerNumber !== this.#lastCommand) return;
    this.#command = undefined;
    if (this.#page.answerFailed) command.reject(new VirtioError('VIRTIO_CONFIG_BOUNDS', this.#page.reason));
    else command.resolve();
  }

  #die(reason: VirtioError): void {
    if (this.#death !== undefined) return;
    this.#death = reason;
    this.#command?.reject(reason);
    this.fail(reason);
    this.#page.ringDriver();
  }
}

async function untilReady(worker: Worker, page: ControlPage): Promise<void> {
  const listening = new AbortController();
  const ended = once(worker, 'exit', { signal: listening.signal }).then(
    ([code]) => Promise.reject(exited(code)),
    (error: unknown) => Promise.reject(diedOf(error)),
  );
  try {
    await Promise.race([ended, pageReady(page)]);
  } finally {
    ended.catch(() => {});
    listening.abort();
  }
}

async function pageReady(page: ControlPage): Promise<void> {
  for (;;) {
    const seen = page.driverDoorbell;
    if (page.isReady) return;
    await page.waitDriver(seen);
  }
}

function diedOf(error: unknown): VirtioError {
  return asVirtioError(error, 'VIRTIO_DEVICE_DIED', "the device's worker failed");
}

function exited(code: unknown): VirtioError {
  return new VirtioError('VIRTIO_DEVICE_DIED', `the device's worker ended with exit code ${code}`);
}
