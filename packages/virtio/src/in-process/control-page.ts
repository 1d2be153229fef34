/**
 * The registers between a driver and a device in another thread: the first page of the memory they share,
 * much like the registers of VIRTIO 1.3, 4.2.2 (MMIO). Behind it lies the guest's memory.
 *
 * Doorbells are counters that one side adds to and the other waits on. Slow matters (status, queue setup,
 * configuration) are commands: the driver writes arguments, then the command's number, and rings; the device
 * answers with the same number. One command is under way at a time.
 */
import type { GuestRegion } from '../guest-memory.ts';
import type { LookWindow } from '../look-window.ts';
import type { QueueLayout } from '../split-ring.ts';
import { GUEST_BASE } from '../transport-base.ts';

/** What the page has room for. */
export const QUEUES_MAX = 64;
export const CONFIG_MAX = 2048;

const PAGE_SIZE = 8192;

/** Indices of 32-bit words. */
const DEVICE_DOORBELL = 0;
const DRIVER_DOORBELL = 1;
const READY = 2;
const STATUS = 3;
const DEVICE_ID = 4;
const QUEUE_COUNT = 5;
const DEVICE_FEATURES = 6;
const DRIVER_FEATURES = 10;
const COMMAND = 14;
const COMMAND_ARGUMENT = 15;
const COMMAND_LENGTH = 16;
const COMMAND_NUMBER = 17;
const ANSWER_NUMBER = 18;
const ANSWER_FAILED = 19;
const REASON_LENGTH = 20;
const CONFIG_CHANGES = 21;
const QUEUES = 64;
/** Words of a queue's registers: largest size, size, three addresses of two words, kicked. */
const QUEUE_WORDS = 9;
const QUEUE_SIZE_MAX_WORD = 0;
const QUEUE_SIZE_WORD = 1;
const QUEUE_ADDRESSES = 2;
const QUEUE_KICKED = 8;
/** Byte offsets. */
const CONFIG = 4096;
const REASON = 6144;
/** Bytes of the text that says why a device is broken; a longer one is cut. */
const REASON_MAX = 2048;

export const COMMAND_WRITE_STATUS = 1;
export const COMMAND_ENABLE_QUEUE = 2;
export const COMMAND_READ_CONFIG = 3;
export const COMMAND_WRITE_CONFIG = 4;
export const COMMAND_CLOSE = 5;
export const COMMAND_WRITE_FEATURES = 6;

export interface Command {
  readonly number: number;
  readonly command: number;
  readonly argument: number;
  readonly length: number;
}

export class ControlPage {
  readonly buffer: SharedArrayBuffer;
  /** The guest's memory. */
  readonly region: GuestRegion;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer, 0, CONFIG / 4);
    this.#bytes = new Uint8Array(buffer, 0, PAGE_SIZE);
    this.region = { base: GUEST_BASE, bytes: new Uint8Array(buffer, PAGE_SIZE) };
  }

  static create(memorySize: number): ControlPage {
    return new ControlPage(new SharedArrayBuffer(PAGE_SIZE + memorySize));
  }

  // Doorbells.

  ringDevice(): void {
    Atomics.add(this.#words, DEVICE_DOORBELL, 1);
    Atomics.notify(this.#words, DEVICE_DOORBELL);
  }

  ringDriver(): void {
    Atomics.add(this.#words, DRIVER_DOORBELL, 1);
    Atomics.notify(this.#words, DRIVER_DOORBELL);
  }

  get deviceDoorbell(): number {
    return Atomics.load(this.#words, DEVICE_DOORBELL);
  }

  get driverDoorbell(): number {
    return Atomics.load(this.#words, DRIVER_DOORBELL);
  }

  /** Blocks the device's thread until its bell has rung since it was `seen`; awake as long as `window` says. */
  blockDevice(seen: number, window: LookWindow): void {
    window.wait(
      () => this.deviceDoorbell !== seen,
      () => Atomics.wait(this.#words, DEVICE_DOORBELL, seen),
    );
  }

  async waitDevice(seen: number): Promise<void> {
    await Atomics.waitAsync(this.#words, DEVICE_DOORBELL, seen).value;
  }

  async waitDriver(seen: number): Promise<void> {
    await Atomics.waitAsync(this.#words, DRIVER_DOORBELL, seen).value;
  }

  /** Marks the queue and rings. */
  kick(index: number): void {
    Atomics.store(this.#words, queueWord(index) + QUEUE_KICKED, 1);
    this.ringDevice();
  }

  /** Whether the queue was marked, and unmarks it. */
  takeKick(index: number): boolean {
    return Atomics.exchange(this.#words, queueWord(index) + QUEUE_KICKED, 0) !== 0;
  }

  // What the device is, written once by its side.

  describe(deviceId: number, features: bigint, queueSizes: readonly number[]): void {
    this.#words[DEVICE_ID] = deviceId;
    this.#words[QUEUE_COUNT] = queueSizes.length;
    this.#writeFeatures(DEVICE_FEATURES, features);
    for (const [index, size] of queueSizes.entries())
      this.#words[queueWord(index) + QUEUE_SIZE_MAX_WORD] = size;
    Atomics.store(this.#words, READY, 1);
  }

  get isReady(): boolean {
    return Atomics.load(this.#words, READY) === 1;
  }

  get deviceId(): number {
    return this.#words[DEVICE_ID]!;
  }

  get deviceFeatures(): bigint {
    return this.#readFeatures(DEVICE_FEATURES);
  }

  get queueSizes(): number[] {
    const count = Math.min(this.#words[QUEUE_COUNT]! >>> 0, QUEUES_MAX);
    return Array.from({ length: count }, (_, index) => this.#words[queueWord(index) + QUEUE_SIZE_MAX_WORD]!);
  }

  // Registers.

  get status(): number {
    return Atomics.load(this.#words, STATUS);
  }

  set status(status: number) {
    Atomics.store(this.#words, STATUS, status);
  }

  /** How often the device has said that its configuration space has changed; 32 bits, that wrap. */
  get configChanges(): number {
    return Atomics.load(this.#words, CONFIG_CHANGES);
  }

  countConfigChange(): void {
    Atomics.add(this.#words, CONFIG_CHANGES, 1);
  }

  get driverFeatures(): bigint {
    return this.#readFeatures(DRIVER_FEATURES);
  }

  set driverFeatures(features: bigint) {
    this.#writeFeatures(DRIVER_FEATURES, features);
  }

  writeLayout(index: number, layout: QueueLayout): void {
    const at = queueWord(index);
    this.#words[at + QUEUE_SIZE_WORD] = layout.size;
    const addresses = [layout.descriptorTable, layout.availableRing, layout.usedRing];
    for (const [i, address] of addresses.entries()) {
      this.#words[at + QUEUE_ADDRESSES + 2 * i] = address | 0;
      this.#words[at + QUEUE_ADDRESSES + 2 * i + 1] = Math.floor(address / 2 ** 32);
    }
  }

  readLayout(index: number): QueueLayout {
    const at = queueWord(index);
    const address = (i: number) => {
      const low = this.#words[at + QUEUE_ADDRESSES + 2 * i]! >>> 0;
      return (this.#words[at + QUEUE_ADDRESSES + 2 * i + 1]! >>> 0) * 2 ** 32 + low;
    };
    return {
      size: this.#words[at + QUEUE_SIZE_WORD]!,
      descriptorTable: address(0),
      availableRing: address(1),
      usedRing: address(2),
    };
  }

  // Commands.

  sendCommand({ number, command, argument, length }: Command): void {
    this.#words[COMMAND] = command;
    this.#words[COMMAND_ARGUMENT] = argument;
    this.#words[COMMAND_LENGTH] = length;
    Atomics.store(this.#words, COMMAND_NUMBER, number);
    this.ringDevice();
  }

  /** The command sent last. */
  readCommand(): Command {
    return {
      number: Atomics.load(this.#words, COMMAND_NUMBER),
      command: this.#words[COMMAND]!,
      argument: this.#words[COMMAND_ARGUMENT]!,
      length: this.#words[COMMAND_LENGTH]! >>> 0,
    };
  }

  /** @param failed whether `reason` says why it failed */
  answerCommand(number: number, failed: boolean): void {
    this.#words[ANSWER_FAILED] = failed ? 1 : 0;
    Atomics.store(this.#words, ANSWER_NUMBER, number);
    this.ringDriver();
  }

  get answerNumber(): number {
    return Atomics.load(this.#words, ANSWER_NUMBER);
  }

  get answerFailed(): boolean {
    return this.#words[ANSWER_FAILED] !== 0;
  }

  /** The bytes that a configuration command carries, at most CONFIG_MAX. */
  readConfigBytes(length: number): Uint8Array {
    return this.#bytes.slice(CONFIG, CONFIG + Math.min(length, CONFIG_MAX));
  }

  writeConfigBytes(bytes: Uint8Array): void {
    this.#bytes.set(bytes.subarray(0, CONFIG_MAX), CONFIG);
  }

  /** For people: why the device broke, or why the last command failed. */
  get reason(): string {
    const length = Math.min(this.#words[REASON_LENGTH]! >>> 0, REASON_MAX);
    return new TextDecoder().decode(this.#bytes.slice(REASON, REASON + length));
  }

  set reason(text: string) {
    const encoded = new TextEncoder().encode(text).subarray(0, REASON_MAX);
    this.#bytes.set(encoded, REASON);
    this.#words[REASON_LENGTH] = encoded.length;
  }

  #readFeatures(at: number): bigint {
    let features = 0n;
    for (let i = 3; i >= 0; i--) features = (features << 32n) | BigInt(this.#words[at + i]! >>> 0);
    return features;
  }

  #writeFeatures(at: number, features: bigint): void {
    for (let i = 0; i < 4; i++) this.#words[at + i] = Number(BigInt.asIntN(32, features >> BigInt(32 * i)));
  }
}

function queueWord(index: number): number {
  return QUEUES + index * QUEUE_WORDS;
}
