/**
 * The device's side of the in-process transport. The worker's thread belongs to the device: it blocks until
 * the driver rings, unless the device has something under way that needs the thread's event loop.
 */
import { availableParallelism } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { workerData } from 'node:worker_threads';
import { DeviceState } from '../device-state.ts';
import { GuestMemory } from '../guest-memory.ts';
import { LookWindow } from '../look-window.ts';
import type { VirtioDevice } from '../virtio-device.ts';
import {
  COMMAND_CLOSE,
  COMMAND_ENABLE_QUEUE,
  COMMAND_READ_CONFIG,
  COMMAND_WRITE_CONFIG,
  COMMAND_WRITE_FEATURES,
  COMMAND_WRITE_STATUS,
  CONFIG_MAX,
  type Command,
  ControlPage,
  QUEUES_MAX,
} from './control-page.ts';

/** What `InProcessTransport.launch` hands to the worker. */
export interface DeviceWorkerData {
  readonly virtio: SharedArrayBuffer;
  /** `workerData` of the launch. */
  readonly device: unknown;
}

/**
 * Serves `device` to the driver that launched this worker, until the driver closes it. Options for the
 * device that the driver gave are in `workerData.device`.
 * @throws {RangeError} if the device is not one this transport can carry
 */
export async function serveInWorker(device: VirtioDevice): Promise<void> {
  const { virtio } = workerData as DeviceWorkerData;
  await new DeviceServer(device, new ControlPage(virtio)).serve();
}

class DeviceServer {
  readonly #device: VirtioDevice;
  readonly #page: ControlPage;
  readonly #state: DeviceState;
  readonly #window = new LookWindow(availableParallelism());
  #lastCommand = 0;
  #closed = false;

  constructor(device: VirtioDevice, page: ControlPage) {
    if (device.queueSizes.length > QUEUES_MAX || device.config.length > CONFIG_MAX) {
      throw new RangeError(
        `the in-process transport carries ${QUEUES_MAX} queues, ${CONFIG_MAX} bytes of config`,
      );
    }
    this.#device = device;
    this.#page = page;
    this.#state = new DeviceState(device, new GuestMemory([page.region]), {
      usedBuffers: () => page.ringDriver(),
      configChanged: () => {
        this.#publishStatus();
        page.countConfigChange();
        page.ringDriver();
      },
      resetDone: () => this.#answer(),
    });
  }

  async serve(): Promise<void> {
    const page = this.#page;
    page.describe(this.#device.deviceId, this.#state.offeredFeatures, this.#device.queueSizes);
    page.ringDriver();
    // Atomics.waitAsync does not keep a thread alive.
    const keepAlive = setInterval(() => {}, 2 ** 30);
    try {
      while (!this.#closed) {
        const seen = page.deviceDoorbell;
        this.#executeCommand();
        const hasMore = this.#runKicked();
        this.#publishStatus();
        const needsLoop = this.#state.isBusy || this.#device.usesEventLoop === true;
        if (needsLoop) await nextTurn();
        if (this.#closed || hasMore) continue;
        if (needsLoop) await page.waitDevice(seen);
        else page.blockDevice(seen, this.#window);
      }
      await this.#state.close();
    } finally {
      clearInterval(keepAlive);
    }
  }

  /** @returns whether a queue has more than one run's requests */
  #runKicked(): boolean {
    let hasMore = false;
    for (let index = 0; index < this.#device.queueSizes.length; index++) {
      // A kick from before a reset is of no interest after it.
      if (!this.#page.takeKick(index) || this.#state.status === 0) continue;
      if (!this.#state.run(index)) continue;
      this.#page.kick(index);
      hasMore = true;
    }
    return hasMore;
  }

  #executeCommand(): void {
    const command = this.#page.readCommand();
    if (command.number === this.#lastCommand) return;
    this.#lastCommand = command.number;
    try {
      this.#execute(command);
    } catch (error) {
      this.#answer(error instanceof Error ? error.message : String(error));
      return;
    }
    // A reset is answered when it is done.
    if (command.command !== COMMAND_WRITE_STATUS || command.argument !== 0) this.#answer();
  }

  #execute({ command, argument, length }: Command): void {
    switch (command) {
      case COMMAND_WRITE_STATUS:
        this.#state.writeStatus(argument);
        break;
      case COMMAND_WRITE_FEATURES:
        this.#state.writeDriverFeatures(this.#page.driverFeatures);
        break;
      case COMMAND_ENABLE_QUEUE:
        this.#state.enableQueue(argument, this.#page.readLayout(argument));
        break;
      case COMMAND_READ_CONFIG:
        this.#page.writeConfigBytes(this.#state.readConfig(argument, length));
        break;
      case COMMAND_WRITE_CONFIG:
        this.#state.writeConfig(argument, this.#page.readConfigBytes(length));
        break;
      case COMMAND_CLOSE:
        this.#closed = true;
        break;
      default:
        throw new RangeError(`unknown command ${command}`);
    }
  }

  #answer(failure?: string): void {
    this.#publishStatus();
    if (failure !== undefined) this.#page.reason = failure;
    this.#page.answerCommand(this.#lastCommand, failure !== undefined);
  }

  #publishStatus(): void {
    const { brokenReason, status } = this.#state;
    if (status === this.#page.status) return;
    if (brokenReason !== undefined) this.#page.reason = brokenReason.message;
    this.#page.status = status;
  }
}
