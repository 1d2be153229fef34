/**
 * A device as one guest has it: the guest's memory, its rings, the state of the device. This is the half of
 * an attachment that knows virtio; the other (attachment.ts) knows messages.
 */
import {
  DeviceState,
  type GuestMemory,
  mapRing,
  type QueueLayout,
  STATUS_ACKNOWLEDGE,
  STATUS_DRIVER,
  STATUS_DRIVER_OK,
  STATUS_FEATURES_OK,
  VIRTIO_F_VERSION_1,
  type VirtioError,
  type VirtioRequest,
  VirtqueueError,
} from '@skytale/virtio';
import type { BackendEvent, Counters } from './backend-events.ts';
import type { EventFd } from './ffi/event-fd.ts';
import type { EventPoll } from './ffi/event-poll.ts';
import type { FileDescriptor } from './ffi/file-descriptor.ts';
import type { MapOptions } from './ffi/shared-memory.ts';
import { InflightMemory } from './inflight-area.ts';
import { MemoryTable } from './memory-table.ts';
import type { InflightArea, MemoryRegion, VringAddress } from './payload.ts';
import { VHOST_USER_F_PROTOCOL_FEATURES } from './protocol.ts';
import type { ServableDevice } from './servable-device.ts';
import { refused } from './vhost-user-error.ts';
import { Vring } from './vring.ts';

/** Longest chains: QEMU's limit, and above the queue size because Linux exceeds that in indirect tables. */
const CHAIN_LENGTH_MAX = 1024;
/** Indices of queues are 16 bits wide. */
const QUEUE_INDEX_MAX = 0xffff;

/** An event that still lacks the number of its connection. */
type Unnumbered<Event> = Event extends { connection: number } ? Omit<Event, 'connection'> : never;
export type GuestEvent = Unnumbered<BackendEvent>;

export interface GuestDeviceHost {
  readonly poll: EventPoll;
  readonly counters: Counters;
  emit(event: GuestEvent): void;
  /** The device says that its configuration space has changed. */
  configChanged(): void;
  /** Requests or a reset that went on in the event loop are done. */
  wake(): void;
}

export interface GuestDeviceOptions extends MapOptions {
  /**
   * Features that a front end may have agreed on with its driver without telling us, where it tells of none: without
   * VERSION_1 none can be served. For QEMU's cryptodev-vhost-user: RING_FEATURES. Drivers with and without EVENT_IDX
   * are then served alike, with more interrupts than one with it wants. Default: none.
   */
  readonly assumedFeatures?: bigint;
}

export class GuestDevice implements Disposable {
  readonly #device: ServableDevice;
  readonly #host: GuestDeviceHost;
  readonly #options: GuestDeviceOptions;
  readonly #memory: MemoryTable;
  readonly #state: DeviceState;
  readonly #rings: readonly Vring[];
  /** Rings that may have requests waiting. */
  readonly #ready = new Set<Vring>();
  /** Rings that were run and whose drivers were not asked to kick: somebody looks at them. */
  readonly #quiet = new Set<Vring>();
  #features = 0n;
  /** They are not what the front end told: it tells of none. */
  #areAssumed = false;
  /** The protocol: rings start disabled where its features were negotiated. */
  #ringsStartEnabled = true;
  #inflight: InflightMemory | undefined;
  #inflightUsed = false;
  #resetting = false;
  /** Counts resets: what was ordered before one is of no interest after it. */
  #life = 0;
  #disposed = false;

  constructor(device: ServableDevice, host: GuestDeviceHost, options: GuestDeviceOptions) {
    this.#device = device;
    this.#host = host;
    this.#options = options;
    this.#memory = new MemoryTable(options);
    this.#rings = device.queueSizes.map((_, index) => new Vring(index));
    this.#state = new DeviceState(device, this.#memory.guest, {
      usedBuffers: (index) => this.#call(index),
      configChanged: () => this.#onConfigChange(),
      resetDone: () => this.#finishReset(),
      idle: () => this.#onIdle(),
      handing: (request) => this.#count(request),
    });
  }

  get offeredFeatures(): bigint {
    return this.#state.offeredFeatures | VHOST_USER_F_PROTOCOL_FEATURES;
  }

  get isBroken(): boolean {
    return this.#state.brokenReason !== undefined;
  }

  /** Whether requests are under way that complete in the event loop. */
  get isBusy(): boolean {
    return this.#state.isBusy;
  }

  /** Whether a reset waits for requests under way: until then nothing about the rings may change. */
  get isResetting(): boolean {
    return this.#resetting;
  }

  get hasWork(): boolean {
    return this.#ready.size > 0;
  }

  /** @throws {VhostUserError} VHOST_USER_REFUSED */
  acceptFeatures(features: bigint): void {
    const unknown = features & ~this.offeredFeatures;
    if (unknown !== 0n) throw refused(`features 0x${unknown.toString(16)} were not offered`);
    const told = features & this.#state.offeredFeatures;
    const assumed = this.#options.assumedFeatures ?? 0n;
    this.#areAssumed = (told & VIRTIO_F_VERSION_1) === 0n && assumed !== 0n;
    const effective = this.#areAssumed ? told | assumed : told;
    // A driver that comes after another need not be announced by anything else.
    if (this.#state.status !== 0 && effective !== this.#features) this.reset();
    this.#features = effective;
    // Who does not tell what was agreed on does not enable rings either (QEMU's cryptodev-vhost-user).
    this.#ringsStartEnabled = (features & VHOST_USER_F_PROTOCOL_FEATURES) === 0n || this.#areAssumed;
  }

  /** @throws {VhostUserError} VHOST_USER_REFUSED, for this and all that follow */
  setRingSize(index: number, size: number): void {
    const largest = this.#device.queueSizes[index] ?? 0;
    const ring = this.#stoppedRing(index);
    if (!(size > 0 && size <= largest && Number.isInteger(Math.log2(size)))) {
      throw refused(`ring ${index} cannot have ${size} descriptors, but a power of two up to ${largest}`);
    }
    ring.size = size;
    this.#startIfComplete(ring);
  }

  setRingBase(index: number, base: number): void {
    const ring = this.#stoppedRing(index);
    if (base > QUEUE_INDEX_MAX) throw refused(`ring ${index} cannot go on at ${base}, which has not 16 bits`);
    ring.base = base;
    if (ring.stoppedAt !== undefined && ring.stoppedAt !== base) this.#beginAnew();
  }

  setRingAddress(address: VringAddress): void {
    const ring = this.#ring(address.index);
    if (ring.layout !== undefined) {
      // Front ends repeat the addresses of running rings to switch logging, which we do not offer.
      const { descriptor, available, used } = ring.address!;
      if (descriptor === address.descriptor && available === address.available && used === address.used)
        return;
      throw refused(`ring ${address.index} cannot move while it runs`);
    }
    ring.address = address;
    this.#startIfComplete(ring);
  }

  /** Takes over the eventfd. It starts the ring, or makes one that runs look for requests. */
  setKick(index: number, kick: EventFd): void {
    const ring = this.#ringFor(index, kick);
    ring.setKick(kick, this.#host.poll, () => this.#onKick(ring));
    this.#startIfComplete(ring);
    if (ring.layout !== undefined) this.#ready.add(ring);
  }

  setCall(index: number, call: EventFd | undefined): void {
    this.#ringFor(index, call).setCall(call);
  }

  setError(index: number, error: EventFd | undefined): void {
    this.#ringFor(index, error).setError(error);
  }

  setEnabled(index: number, enabled: boolean): void {
    const ring = this.#ring(index);
    ring.enabled = enabled;
    if (ring.layout === undefined) return;
    if (enabled) this.#runIfEnabled(ring);
    else this.#halt(ring);
  }

  /** Begins to stop a ring: the device is told, and requests under way are waited for; see `isStopped`. */
  stopRing(index: number): void {
    const ring = this.#ring(index);
    ring.setKick(undefined, this.#host.poll, () => {});
    if (ring.layout === undefined) return;
    ring.isStopping = true;
    if (ring.isRunning) this.#halt(ring);
    else this.#finishStop(ring);
  }

  /** Whether nothing of this ring is under way any more after `stopRing`. */
  isStopped(index: number): boolean {
    return !this.#ring(index).isStopping;
  }

  /** Where a ring that stopped is to go on in its available ring. */
  baseOf(index: number): number {
    return this.#ring(index).base;
  }

  /** A part of the configuration space, inside of it. */
  writeConfig(offset: number, bytes: Uint8Array): void {
    this.#state.writeConfig(offset, bytes);
  }

  replaceMemory(regions: readonly MemoryRegion[], descriptors: readonly FileDescriptor[]): void {
    this.#memory.replace(regions, descriptors);
    this.#onMemoryChange();
  }

  addMemory(region: MemoryRegion, descriptor: FileDescriptor): void {
    this.#memory.add(region, descriptor);
    this.#onMemoryChange();
  }

  removeMemory(region: MemoryRegion): void {
    this.#memory.remove(region);
    this.#onMemoryChange();
  }

  /** New memory to note requests in flight in; it is used once the front end has handed it back. */
  createInflightArea(queues: number, queueSize: number): { area: InflightArea; file: FileDescriptor } {
    const largest = Math.max(...this.#device.queueSizes);
    if (queues < 1 || queues > this.#rings.length || queueSize < 1 || queueSize > largest) {
      throw refused(`there are no ${queues} queues of ${queueSize} to track`);
    }
    const { memory, file, area } = InflightMemory.create(queues, queueSize);
    memory[Symbol.dispose]();
    return { area, file };
  }

  adoptInflightArea(file: FileDescriptor, area: InflightArea): void {
    if (this.#rings.some(({ layout }) => layout !== undefined)) {
      throw refused('requests cannot be tracked in other memory while rings run');
    }
    const adopted = InflightMemory.adopt(file, area, this.#options);
    this.#inflight?.[Symbol.dispose]();
    this.#inflight = adopted;
    this.#inflightUsed = false;
  }

  /** Stops all rings and resets the device, at once or when the requests under way are done. */
  reset(): void {
    if (this.#resetting) return;
    this.#ready.clear();
    this.#quiet.clear();
    for (const ring of this.#rings) {
      ring.layout = undefined;
      ring.address = undefined;
      ring.base = 0;
      ring.stoppedAt = undefined;
      ring.enabled = undefined;
      ring.isStopping = false;
      ring.isRunning = false;
      ring.setKick(undefined, this.#host.poll, () => {});
    }
    this.#resetState();
  }

  /**
   * Gives every ring that may have requests its turn.
   * @param quietly drivers are not asked to kick: `findRequests` looks, and `askForKicks` asks before the thread sleeps
   */
  runRings(quietly: boolean): void {
    if (this.#resetting) return;
    // A copy: a ring that always has more comes again in the next round, after messages had their turn.
    for (const ring of [...this.#ready]) {
      this.#ready.delete(ring);
      this.#quiet.delete(ring);
      if (!this.#state.isQueueEnabled(ring.index)) continue;
      if (this.#state.run(ring.index, quietly)) this.#ready.add(ring);
      else if (quietly) this.#quiet.add(ring);
    }
    if (!this.isBusy) this.#memory.releaseRetired();
  }

  /** Looks whether drivers that were not asked to kick have requests. @returns whether there is work */
  findRequests(): boolean {
    for (const ring of this.#quiet) if (this.#state.hasRequests(ring.index)) this.#ready.add(ring);
    return this.hasWork;
  }

  /** Asks all drivers to kick: before the thread sleeps. There may be work then. */
  askForKicks(): void {
    for (const ring of this.#quiet) if (this.#state.askForKicks(ring.index)) this.#ready.add(ring);
    this.#quiet.clear();
  }

  /** Releases everything; memory when no request is under way in it any more. */
  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#life += 1;
    this.#ready.clear();
    this.#quiet.clear();
    for (const ring of this.#rings) ring[Symbol.dispose]();
    this.#state.reset();
    if (!this.isBusy) this.#releaseMemory();
  }

  #ring(index: number): Vring {
    const ring = this.#rings[index];
    if (ring === undefined) throw refused(`there is no ring ${index} of ${this.#rings.length}`);
    return ring;
  }

  /** The ring that is to have this eventfd, which is closed if there is none. */
  #ringFor(index: number, event: EventFd | undefined): Vring {
    if (index >= this.#rings.length) event?.[Symbol.dispose]();
    return this.#ring(index);
  }

  #stoppedRing(index: number): Vring {
    const ring = this.#ring(index);
    if (ring.layout !== undefined) throw refused(`ring ${index} runs: stop it first`);
    return ring;
  }

  /**
   * A ring starts when all about it is known. Whether it is enabled, and the device's status, are not waited
   * for: QEMU's cryptodev-vhost-user tells neither. One that cannot start must be kicked off anew.
   */
  #startIfComplete(ring: Vring): void {
    if (ring.layout !== undefined || !ring.isComplete || this.#memory.regions === 0) return;
    try {
      const layout = ring.findLayout(this.#memory);
      checkLayout(ring, this.#memory.guest, layout);
      this.#activate();
      ring.layout = layout;
      this.#runIfEnabled(ring);
    } catch (error) {
      ring.layout = undefined;
      ring.setKick(undefined, this.#host.poll, () => {});
      throw error;
    }
    this.#host.emit({ event: 'ring-started', ring: ring.index, size: ring.size });
  }

  /** Gives the device the queue of a ring that is started; while its last requests are under way, afterwards. */
  #runIfEnabled(ring: Vring): void {
    if (ring.layout === undefined || ring.isRunning || !(ring.enabled ?? this.#ringsStartEnabled)) return;
    this.#enableQueue(ring, ring.layout);
    ring.isRunning = true;
    this.#ready.add(ring);
    // The last back end may have died between its last answer and the call for it.
    if (ring.base !== 0 || this.#inflight !== undefined) ring.signalCall();
  }

  /** Takes the queue away again, as soon as nothing of it is under way. */
  #halt(ring: Vring): void {
    this.#ready.delete(ring);
    this.#quiet.delete(ring);
    if (!ring.isRunning) return;
    const life = this.#life;
    this.#state.stopQueue(ring.index, (indices) => {
      if (life !== this.#life || !ring.isRunning) return;
      ring.isRunning = false;
      ring.base = indices?.availableIndex ?? ring.base;
      if (ring.isStopping) this.#finishStop(ring);
      else this.#resume(ring);
    });
  }

  /** For a ring that was enabled again while it waited to be disabled. Nobody is there who could be refused. */
  #resume(ring: Vring): void {
    try {
      this.#runIfEnabled(ring);
    } catch {
      // The device is broken, of which the front end is told otherwise.
    }
  }

  #finishStop(ring: Vring): void {
    ring.isStopping = false;
    ring.layout = undefined;
    ring.stoppedAt = ring.base;
    this.#host.emit({ event: 'ring-stopped', ring: ring.index, size: ring.size });
    // What broke does not come back with the next start.
    if (this.isBroken && this.#rings.every(({ layout }) => layout === undefined)) this.reset();
    this.#host.wake();
  }

  #enableQueue(ring: Vring, layout: QueueLayout): void {
    const usedIndex = Vring.usedIndex(this.#memory.guest, layout);
    const tracker = this.#inflight?.queue(ring.index, ring.size);
    const resubmit = tracker?.resume(usedIndex);
    this.#inflightUsed = true;
    this.#state.enableQueue(ring.index, layout, {
      usedIndex,
      availableIndex: resubmit === undefined ? ring.base : usedIndex + resubmit.length,
      maxChainLength: Math.max(ring.size, CHAIN_LENGTH_MAX),
      ...(this.#areAssumed && { eventIdx: 'unknown' }),
      ...(tracker && { tracker }),
      ...(resubmit && { resubmit }),
    });
    const reason = this.#state.brokenReason;
    if (reason !== undefined)
      throw refused(`ring ${ring.index} cannot start: ${reason.message}`, { cause: reason });
  }

  /** Does for the driver what it has done at its front end: VIRTIO 1.3, 3.1.1. */
  #activate(): void {
    if (this.#state.status !== 0) return;
    const accepting = STATUS_ACKNOWLEDGE | STATUS_DRIVER;
    this.#state.writeStatus(accepting);
    this.#state.writeDriverFeatures(this.#features);
    this.#state.writeStatus(accepting | STATUS_FEATURES_OK);
    if ((this.#state.status & STATUS_FEATURES_OK) === 0) {
      this.#state.reset();
      const features = this.#features.toString(16);
      throw refused(`features 0x${features} are not enough: only drivers that accept VERSION_1 are served`);
    }
    this.#state.writeStatus(accepting | STATUS_FEATURES_OK | STATUS_DRIVER_OK);
  }

  /**
   * A ring goes on elsewhere than it stopped: it belongs to another driver, of whom the front end tells us
   * nothing else (QEMU 7.2, when a guest reboots or loads its driver anew).
   */
  #beginAnew(): void {
    for (const ring of this.#rings) {
      if (ring.layout !== undefined) return;
      ring.stoppedAt = undefined;
    }
    this.#resetState();
  }

  #resetState(): void {
    this.#resetting = true;
    this.#life += 1;
    // What was in flight is of no interest to the driver that comes.
    if (this.#inflightUsed) {
      this.#inflight?.[Symbol.dispose]();
      this.#inflight = undefined;
    }
    if (this.#state.status !== 0) this.#host.emit({ event: 'reset' });
    this.#state.reset();
  }

  #onMemoryChange(): void {
    for (const ring of this.#rings) {
      if (ring.layout === undefined) continue;
      if (!isSameLayout(ring.layout, this.#layoutNow(ring))) {
        const message = `ring ${ring.index} is not where it was in the new memory table`;
        this.#state.break(new VirtqueueError('VIRTQUEUE_RING_OUTSIDE_MEMORY', message));
      }
    }
    this.#state.memoryChanged();
    if (!this.isBusy) this.#memory.releaseRetired();
    for (const ring of this.#rings) this.#startIfComplete(ring);
  }

  #layoutNow(ring: Vring): QueueLayout | undefined {
    try {
      return ring.findLayout(this.#memory);
    } catch {
      return undefined;
    }
  }

  #count({ readable, writable }: VirtioRequest): void {
    const { counters } = this.#host;
    counters.add('requests');
    counters.add('readableBytes', readable.byteLength);
    counters.add('writableBytes', writable.byteLength);
  }

  #onKick(ring: Vring): void {
    this.#host.counters.add('kicks');
    if (ring.layout !== undefined) this.#ready.add(ring);
  }

  #call(index: number): void {
    this.#host.counters.add('calls');
    this.#rings[index]!.signalCall();
  }

  #onConfigChange(): void {
    const reason = this.#state.brokenReason;
    if (this.#disposed) return;
    if (reason === undefined) this.#host.configChanged();
    else this.#reportBroken(reason);
  }

  #reportBroken(reason: VirtioError): void {
    this.#host.counters.add('broken');
    this.#host.emit({ event: 'broken', code: reason.code, reason: reason.message });
    for (const ring of this.#rings) ring.signalError();
  }

  #finishReset(): void {
    this.#resetting = false;
    this.#host.wake();
  }

  #onIdle(): void {
    if (this.#disposed) this.#releaseMemory();
    this.#host.wake();
  }

  #releaseMemory(): void {
    this.#memory[Symbol.dispose]();
    this.#inflight?.[Symbol.dispose]();
  }
}

/** Before the ring is enabled, which may be much later. */
function checkLayout(ring: Vring, memory: GuestMemory, layout: QueueLayout): void {
  try {
    mapRing(memory, layout);
  } catch (error) {
    throw refused(`ring ${ring.index} cannot start: ${(error as Error).message}`, { cause: error });
  }
}

function isSameLayout(a: QueueLayout, b: QueueLayout | undefined): boolean {
  return (
    a.descriptorTable === b?.descriptorTable &&
    a.availableRing === b.availableRing &&
    a.usedRing === b.usedRing
  );
}
