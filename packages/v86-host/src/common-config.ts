/**
 * The common configuration structure of virtio over PCI: VIRTIO 1.3, section 4.1.4.3. Registers are read and
 * written at their own offset in their own width, 64-bit ones in halves (4.1.3.1); any other access reads 0 and
 * writes nothing, and so does one to a queue that does not exist.
 */
import type { DeviceState, QueueIndices, QueueLayout, QueueOverrides } from '@skytale/virtio';
import { STATUS_FEATURES_OK, VIRTIO_F_RING_RESET } from '@skytale/virtio';

const VIRTIO_MSI_NO_VECTOR = 0xffff;
/** Words of 32 feature bits each; the standard defines bits up to 127. */
const FEATURE_WORDS = 4;

/** Offsets of the registers, with the standard's names. */
const DEVICE_FEATURE_SELECT = 0;
const DEVICE_FEATURE = 4;
const DRIVER_FEATURE_SELECT = 8;
const DRIVER_FEATURE = 12;
const CONFIG_MSIX_VECTOR = 16;
const NUM_QUEUES = 18;
const DEVICE_STATUS = 20;
const CONFIG_GENERATION = 21;
const QUEUE_SELECT = 22;
const QUEUE_SIZE = 24;
const QUEUE_MSIX_VECTOR = 26;
const QUEUE_ENABLE = 28;
const QUEUE_NOTIFY_OFF = 30;
const QUEUE_DESC = 32;
const QUEUE_DRIVER = 40;
const QUEUE_DEVICE = 48;
const QUEUE_RESET = 58;

/** Their widths in bytes; what is not here is not implemented. */
const WIDTHS: ReadonlyMap<number, number> = new Map([
  [DEVICE_STATUS, 1],
  [CONFIG_GENERATION, 1],
  ...[CONFIG_MSIX_VECTOR, NUM_QUEUES, QUEUE_SELECT, QUEUE_SIZE].map((offset) => [offset, 2] as const),
  ...[QUEUE_MSIX_VECTOR, QUEUE_ENABLE, QUEUE_NOTIFY_OFF, QUEUE_RESET].map((offset) => [offset, 2] as const),
  ...[DEVICE_FEATURE_SELECT, DEVICE_FEATURE].map((offset) => [offset, 4] as const),
  ...[DRIVER_FEATURE_SELECT, DRIVER_FEATURE].map((offset) => [offset, 4] as const),
  ...[QUEUE_DESC, QUEUE_DRIVER, QUEUE_DEVICE].flatMap((offset) => [
    [offset, 4] as const,
    [offset + 4, 4] as const,
  ]),
]);

/** What the driver has written for one queue. */
interface QueueRegisters {
  size: number;
  /** Lower and upper halves of queue_desc, queue_driver and queue_device. */
  readonly addresses: Uint32Array;
  /** A reset of this queue is under way. */
  resetting: boolean;
  /** Where the rings stand while the queue is stopped although it is enabled. */
  stoppedAt?: QueueIndices | undefined;
}

/** The structure as it is saved. */
export interface CommonConfigState {
  readonly status: number;
  readonly deviceFeatureSelect: number;
  readonly driverFeatureSelect: number;
  readonly driverFeatures: readonly number[];
  readonly queueSelect: number;
  readonly queues: readonly QueueState[];
}

export interface QueueState {
  readonly size: number;
  readonly addresses: readonly number[];
  /** Where the rings of an enabled queue stood. */
  readonly indices: QueueIndices | undefined;
}

export class CommonConfig {
  readonly #state: DeviceState;
  readonly #offeredFeatures: bigint;
  readonly #onReset: () => void;
  #deviceFeatureSelect = 0;
  #driverFeatureSelect = 0;
  readonly #driverFeatures = new Uint32Array(FEATURE_WORDS);
  #queueSelect = 0;
  #queues: QueueRegisters[] = [];

  /** @param onReset called when the driver resets the device, before that happens */
  constructor(state: DeviceState, onReset: () => void) {
    this.#state = state;
    this.#offeredFeatures = state.offeredFeatures | VIRTIO_F_RING_RESET;
    this.#onReset = onReset;
    this.reset();
  }

  /** @param offset from the start of the structure */
  read(offset: number, width: number): number {
    if (WIDTHS.get(offset) !== width) return 0;
    switch (offset) {
      case DEVICE_FEATURE_SELECT:
        return this.#deviceFeatureSelect;
      case DEVICE_FEATURE:
        return featureWord(this.#offeredFeatures, this.#deviceFeatureSelect);
      case DRIVER_FEATURE_SELECT:
        return this.#driverFeatureSelect;
      case DRIVER_FEATURE:
        return this.#driverFeatures[this.#driverFeatureSelect] ?? 0;
      case CONFIG_MSIX_VECTOR:
      case QUEUE_MSIX_VECTOR:
        return VIRTIO_MSI_NO_VECTOR;
      case NUM_QUEUES:
        return this.#queues.length;
      case DEVICE_STATUS:
        return this.#state.status;
      case CONFIG_GENERATION:
        return this.#state.configGeneration & 0xff;
      case QUEUE_SELECT:
        return this.#queueSelect;
      case QUEUE_SIZE:
        return this.#queue?.size ?? 0;
      case QUEUE_ENABLE:
        return Number(this.#state.isQueueEnabled(this.#queueSelect));
      case QUEUE_NOTIFY_OFF:
        return 0; // all queues are notified at one address
      case QUEUE_RESET:
        return Number(this.#queue?.resetting ?? false);
      default:
        return this.#queue?.addresses[(offset - QUEUE_DESC) / 4] ?? 0;
    }
  }

  /** @param value not negative, below 2^(8 * width) */
  write(offset: number, width: number, value: number): void {
    if (WIDTHS.get(offset) !== width) return;
    switch (offset) {
      case DEVICE_FEATURE_SELECT:
        this.#deviceFeatureSelect = value;
        break;
      case DRIVER_FEATURE_SELECT:
        this.#driverFeatureSelect = value;
        break;
      case DRIVER_FEATURE:
        this.#writeDriverFeatures(value);
        break;
      case DEVICE_STATUS:
        this.#writeStatus(value);
        break;
      case QUEUE_SELECT:
        this.#queueSelect = value;
        break;
      case QUEUE_ENABLE:
        this.#writeQueueEnable(value);
        break;
      case QUEUE_RESET:
        this.#writeQueueReset(value);
        break;
      default:
        this.#writeQueueLayout(offset, value);
    }
  }

  /** The registers as they are after a reset of the device. */
  reset(): void {
    this.#deviceFeatureSelect = 0;
    this.#driverFeatureSelect = 0;
    this.#driverFeatures.fill(0);
    this.#queueSelect = 0;
    this.#queues = this.#state.device.queueSizes.map(unusedQueue);
  }

  /** Stops the queues that are enabled, so that they can be saved. Resolves when none of their requests is under way. */
  async stopQueues(): Promise<void> {
    const stops = this.#queues.map(
      (queue, index) =>
        new Promise<void>((resolve) => {
          if (!this.#state.isQueueEnabled(index)) return resolve();
          this.#state.stopQueue(index, (indices) => {
            queue.stoppedAt = indices;
            resolve();
          });
        }),
    );
    await Promise.all(stops);
  }

  /** Lets the queues that `stopQueues` stopped go on. */
  startQueues(): void {
    for (const [index, queue] of this.#queues.entries()) {
      const { stoppedAt } = queue;
      queue.stoppedAt = undefined;
      if (stoppedAt !== undefined) this.enableQueue(index, stoppedAt);
    }
  }

  /** What `restore` needs, while the queues are stopped. */
  save(): CommonConfigState {
    return {
      status: this.#state.status,
      deviceFeatureSelect: this.#deviceFeatureSelect,
      driverFeatureSelect: this.#driverFeatureSelect,
      driverFeatures: [...this.#driverFeatures],
      queueSelect: this.#queueSelect,
      queues: this.#queues.map(({ size, addresses, stoppedAt }) => ({
        size,
        addresses: [...addresses],
        indices: stoppedAt,
      })),
    };
  }

  /** Puts the registers, and the queues behind them, back; the device must have been reset. The status is not
   *  among it, nor may FEATURES_OK be set if it was not in `saved`. */
  restore(saved: CommonConfigState): void {
    this.#deviceFeatureSelect = saved.deviceFeatureSelect;
    this.#driverFeatureSelect = saved.driverFeatureSelect;
    this.#driverFeatures.set(saved.driverFeatures);
    this.#queueSelect = saved.queueSelect;
    this.#queues = saved.queues.map(({ size, addresses }) => ({
      size,
      addresses: Uint32Array.from(addresses),
      resetting: false,
    }));
  }

  /** The features that the driver has written, those of the transport excepted. */
  get driverFeatures(): bigint {
    return this.#allDriverFeatures() & ~VIRTIO_F_RING_RESET;
  }

  /** Enables a queue as its registers say. */
  enableQueue(index: number, indices: QueueOverrides = {}): void {
    const queue = this.#queues[index];
    if (queue !== undefined) this.#state.enableQueue(index, layoutOf(queue), indices);
  }

  #allDriverFeatures(): bigint {
    return this.#driverFeatures.reduce((all, word, i) => all | (BigInt(word) << BigInt(32 * i)), 0n);
  }

  #writeDriverFeatures(word: number): void {
    if (this.#driverFeatureSelect >= FEATURE_WORDS) return;
    this.#driverFeatures[this.#driverFeatureSelect] = word;
    this.#state.writeDriverFeatures(this.driverFeatures);
  }

  #writeStatus(value: number): void {
    if (value === 0) {
      this.#onReset();
      this.reset();
    }
    this.#state.writeStatus(value);
  }

  get #queue(): QueueRegisters | undefined {
    return this.#queues[this.#queueSelect];
  }

  /** What is laid out stays as it is while the queue is enabled. Other registers are read only. */
  #writeQueueLayout(offset: number, value: number): void {
    const queue = this.#queue;
    if (queue === undefined || this.#state.isQueueEnabled(this.#queueSelect)) return;
    if (offset === QUEUE_SIZE) queue.size = value;
    else if (offset >= QUEUE_DESC) queue.addresses[(offset - QUEUE_DESC) / 4] = value;
  }

  #writeQueueEnable(value: number): void {
    if (value === 1 && this.#queue?.resetting === false) this.enableQueue(this.#queueSelect);
  }

  /** Section 2.6.1: the queue is as it was before it was ever used, the others go on. */
  #writeQueueReset(value: number): void {
    const agreed = (this.#state.status & STATUS_FEATURES_OK) !== 0;
    const queue = this.#queue;
    if (value !== 1 || !agreed || (this.#allDriverFeatures() & VIRTIO_F_RING_RESET) === 0n) return;
    if (queue === undefined || queue.resetting || !this.#state.isQueueEnabled(this.#queueSelect)) return;
    const maxSize = this.#state.device.queueSizes[this.#queueSelect]!;
    Object.assign(queue, unusedQueue(maxSize), { resetting: true });
    this.#state.disableQueue(this.#queueSelect, () => {
      queue.resetting = false;
    });
  }
}

function unusedQueue(maxSize: number): QueueRegisters {
  return { size: maxSize, addresses: new Uint32Array(6), resetting: false };
}

function featureWord(features: bigint, word: number): number {
  return word < FEATURE_WORDS ? Number((features >> BigInt(32 * word)) & 0xffff_ffffn) : 0;
}

/** An address beyond 2^53 is rounded: it lies beyond all memory before and after. */
function layoutOf({ size, addresses }: QueueRegisters): QueueLayout {
  const address = (offset: number) => {
    const half = (offset - QUEUE_DESC) / 4;
    return addresses[half + 1]! * 2 ** 32 + addresses[half]!;
  };
  return {
    size,
    descriptorTable: address(QUEUE_DESC),
    availableRing: address(QUEUE_DRIVER),
    usedRing: address(QUEUE_DEVICE),
  };
}
