import {
  type QueueLayout,
  STATUS_DEVICE_NEEDS_RESET,
  STATUS_DRIVER_OK,
  STATUS_FEATURES_OK,
  TransportBase,
  VirtioError,
} from '@skytale/virtio';
import type { BackendRequests } from './backend-requests.ts';
import { type EventLoopWatch, watchInEventLoop } from './ffi/libc.ts';
import { FrontEnd, FrontMemory, type FrontRing } from './frontend.ts';
import {
  PROTOCOL_F_BACKEND_REQ,
  PROTOCOL_F_CONFIG,
  PROTOCOL_F_MQ,
  PROTOCOL_F_REPLY_ACK,
  PROTOCOL_F_RESET_DEVICE,
  PROTOCOL_F_STATUS,
  VHOST_USER_F_PROTOCOL_FEATURES,
} from './protocol.ts';
import { VhostUserError } from './vhost-user-error.ts';

export interface ConnectOptions {
  /** Device type (VIRTIO 1.3, chapter 5), which the protocol does not tell. */
  readonly deviceId: number;
  /** Descriptors in each queue, a power of two that the back end accepts; 64 unless told. */
  readonly queueSize?: number;
  /** Bytes of memory shared with the back end, for rings and requests; 16 MiB unless told. */
  readonly memorySize?: number;
}

const MEMORY_SIZE_DEFAULT = 16 * 2 ** 20;
/** Low guest-physical addresses stay free, so that a stray 0 is an error. */
const GUEST_BASE = 0x100000;

/**
 * Connects drivers of this process to a device behind a vhost-user socket, whoever serves it. Requests are
 * asynchronous; what sets the device up blocks the thread for the time of the answers.
 */
export class VhostUserTransport extends TransportBase {
  readonly #frontEnd: FrontEnd;
  readonly #sharedMemory: FrontMemory;
  readonly #layouts = new Map<number, QueueLayout>();
  readonly #rings = new Map<number, FrontRing>();
  readonly #watches: EventLoopWatch[] = [];
  readonly #socketWatch: EventLoopWatch;
  readonly #backendRequests: BackendRequests | undefined;
  #backendWatch: EventLoopWatch | undefined;
  #status = 0;
  #accepted = 0n;
  #pending = 0;

  private constructor(
    frontEnd: FrontEnd,
    memory: FrontMemory,
    backendRequests: BackendRequests | undefined,
    identity: { deviceId: number; offeredFeatures: bigint; queueSizes: number[] },
  ) {
    super(identity, memory.guestRegion);
    this.#frontEnd = frontEnd;
    this.#sharedMemory = memory;
    this.#socketWatch = watchInEventLoop(frontEnd.socket.descriptor.number, () => this.#checkConnection());
    this.#socketWatch.unref();
    this.#backendRequests = backendRequests;
    if (backendRequests === undefined) return;
    const { number } = backendRequests.descriptor;
    this.#backendWatch = watchInEventLoop(number, () => this.#takeBackendRequests(backendRequests));
    this.#backendWatch.unref();
  }

  /**
   * Connects to the back end that listens at `path`.
   * @throws {SystemError} if none does
   * @throws {VhostUserError} if it does not speak the protocol
   */
  static connect(path: string, options: ConnectOptions): VhostUserTransport {
    const { deviceId, queueSize = 64, memorySize = MEMORY_SIZE_DEFAULT } = options;
    using stack = new DisposableStack();
    const frontEnd = stack.use(FrontEnd.connect(path));
    const { features, queues } = frontEnd.negotiate(
      PROTOCOL_F_MQ |
        PROTOCOL_F_REPLY_ACK |
        PROTOCOL_F_BACKEND_REQ |
        PROTOCOL_F_CONFIG |
        PROTOCOL_F_RESET_DEVICE |
        PROTOCOL_F_STATUS,
    );
    const memory = stack.use(new FrontMemory(memorySize, GUEST_BASE));
    frontEnd.setMemory([memory]);
    const hears = (frontEnd.protocolFeatures & PROTOCOL_F_BACKEND_REQ) !== 0n;
    const requests = hears ? stack.use(frontEnd.openBackendRequests()) : undefined;
    const offeredFeatures = features & ~VHOST_USER_F_PROTOCOL_FEATURES;
    const queueSizes = new Array<number>(queues).fill(queueSize);
    const identity = { deviceId, offeredFeatures, queueSizes };
    const transport = new VhostUserTransport(frontEnd, memory, requests, identity);
    stack.move();
    return transport;
  }

  async readConfig(offset: number, length: number): Promise<Uint8Array> {
    return this.#talk(() => this.#frontEnd.getConfig(offset, length), 'VIRTIO_CONFIG_BOUNDS');
  }

  async writeConfig(offset: number, bytes: Uint8Array): Promise<void> {
    this.#talk(() => this.#frontEnd.setConfig(offset, bytes), 'VIRTIO_CONFIG_BOUNDS');
  }

  protected async writeStatus(status: number): Promise<number> {
    const added = status & ~this.#status;
    if (status === 0) this.#talk(() => this.#reset(), 'VIRTIO_NEEDS_RESET');
    if ((added & STATUS_FEATURES_OK) !== 0 && !this.#agreeOnFeatures()) return status & ~STATUS_FEATURES_OK;
    if ((added & STATUS_DRIVER_OK) !== 0) this.#talk(() => this.#startRings(), 'VIRTIO_NEEDS_RESET');
    this.#status = status;
    if (!this.#has(PROTOCOL_F_STATUS)) return status;
    return this.#talk(() => {
      if (status !== 0) this.#frontEnd.setStatus(status);
      return this.#frontEnd.getStatus();
    }, 'VIRTIO_STATUS');
  }

  protected async writeFeatures(features: bigint): Promise<void> {
    this.#accepted = features;
  }

  protected async enableQueue(index: number, layout: QueueLayout): Promise<void> {
    this.#layouts.set(index, layout);
  }

  protected kick(index: number): void {
    this.#rings.get(index)?.kick.signal();
  }

  protected override pendingChanged(change: 1 | -1): void {
    this.#pending += change;
    if (change === 1 && this.#pending === 1) for (const watch of this.#watches) watch.ref();
    if (this.#pending === 0) for (const watch of this.#watches) watch.unref();
  }

  protected async closeDevice(): Promise<void> {
    this.#closeRings();
    this.#socketWatch[Symbol.dispose]();
    this.#backendWatch?.[Symbol.dispose]();
    this.#backendRequests?.[Symbol.dispose]();
    this.#frontEnd[Symbol.dispose]();
    this.#sharedMemory[Symbol.dispose]();
  }

  #has(protocolFeature: bigint): boolean {
    return (this.#frontEnd.protocolFeatures & protocolFeature) !== 0n;
  }

  #agreeOnFeatures(): boolean {
    try {
      this.#frontEnd.setFeatures(this.#accepted);
      return true;
    } catch (error) {
      if (error instanceof VhostUserError && error.code === 'VHOST_USER_REFUSED') return false;
      throw this.#died(error);
    }
  }

  #startRings(): void {
    for (const [index, layout] of this.#layouts) {
      const ring = this.#frontEnd.startRing(index, layout);
      this.#rings.set(index, ring);
      this.#watch(ring.call.descriptor.number, () => {
        ring.call.clear();
        this.usedBuffers(index);
      });
      this.#watch(ring.error.descriptor.number, () => {
        ring.error.clear();
        this.needsReset(STATUS_DEVICE_NEEDS_RESET, 'the back end says that a ring is broken');
      });
    }
  }

  #reset(): void {
    for (const index of this.#rings.keys()) this.#frontEnd.stopRing(index);
    this.#closeRings();
    if (this.#has(PROTOCOL_F_STATUS)) this.#frontEnd.setStatus(0);
    else if (this.#has(PROTOCOL_F_RESET_DEVICE)) this.#frontEnd.resetDevice();
  }

  #closeRings(): void {
    for (const watch of this.#watches.splice(0)) watch[Symbol.dispose]();
    for (const ring of this.#rings.values()) ring[Symbol.dispose]();
    this.#rings.clear();
    this.#layouts.clear();
  }

  #watch(fd: number, onReadable: () => void): void {
    const watch = watchInEventLoop(fd, onReadable);
    if (this.#pending === 0) watch.unref();
    this.#watches.push(watch);
  }

  #takeBackendRequests(requests: BackendRequests): void {
    for (;;) {
      const next = nextOf(requests);
      if (next === 'closed') this.#backendWatch?.[Symbol.dispose]();
      if (next !== 'config-change') return;
      this.configChanged();
    }
  }

  #checkConnection(): void {
    if (this.#frontEnd.isConnected()) return;
    this.#socketWatch[Symbol.dispose]();
    this.#died(new Error('it closed the connection'));
  }

  /** Asks the back end; what it refuses gets `refusal` as its code, all else is its end. */
  #talk<T>(
    conversation: () => T,
    refusal: 'VIRTIO_CONFIG_BOUNDS' | 'VIRTIO_STATUS' | 'VIRTIO_NEEDS_RESET',
  ): T {
    try {
      return conversation();
    } catch (error) {
      if (error instanceof VhostUserError && error.code === 'VHOST_USER_REFUSED') {
        throw new VirtioError(refusal, error.message, { cause: error });
      }
      throw this.#died(error);
    }
  }

  #died(error: unknown): VirtioError {
    const message = `the vhost-user back end is gone: ${(error as Error).message}`;
    const death = new VirtioError('VIRTIO_DEVICE_DIED', message, { cause: error });
    this.fail(death);
    return death;
  }
}

/** A back end that asks for what we have not offered is not heard any more. */
function nextOf(requests: BackendRequests): ReturnType<BackendRequests['next']> {
  try {
    return requests.next();
  } catch {
    return 'closed';
  }
}
