import { availableParallelism } from 'node:os';
import { LookWindow } from '@skytale/virtio';
import { Attachment, type AttachmentOptions } from './attachment.ts';
import { type BackendEvent, Counters } from './backend-events.ts';
import { EventPoll, type Watch } from './ffi/event-poll.ts';
import type { FileDescriptor } from './ffi/file-descriptor.ts';
import { UnixListener } from './ffi/unix-socket.ts';
import { checkServable, type ServableDevice } from './servable-device.ts';

/** How often it looks into the rings before it asks the kernel for messages, which costs as much as all of these looks. */
const LOOKS_PER_POLL = 16;

export interface BackendOptions extends AttachmentOptions {
  /** Path of the Unix socket to listen on; at most 107 bytes. */
  readonly socket: string;
  readonly onEvent?: (event: BackendEvent) => void;
  /** Where to count. */
  readonly counters?: Counters;
  /** How long to look for work before sleeping; unless told, one for as many processors as there are. */
  readonly window?: LookWindow;
}

/**
 * Serves one device on one Unix socket, to one front end after another: others wait in line meanwhile.
 *
 * `run` blocks its thread, waiting for kicks and messages in the kernel and touching no event loop: give it a
 * thread of its own (`serveDevice` does). Before it sleeps it looks for a while, if that has proved worth it. Only while requests of a device that answers later are under way, or for a
 * device that says that it needs that, does it wait in the event loop instead.
 */
export class VhostUserBackend implements AsyncDisposable {
  readonly counters: Counters;
  readonly #device: ServableDevice;
  readonly #options: BackendOptions;
  readonly #poll = new EventPoll();
  readonly #listener: UnixListener;
  readonly #watches: Watch[];
  readonly #window: LookWindow;
  #attachment: Attachment | undefined;
  /** Attachments that are over, but with requests still under way in their memory. */
  readonly #draining = new Set<Attachment>();
  #connections = 0;
  #mayAccept = true;
  #stopped = false;
  #wake: (() => void) | undefined;

  /**
   * Listens. The device belongs to the back end, which closes it in the end.
   * @throws {RangeError} if the device cannot be served
   * @throws {SystemError} if it cannot listen at that path
   */
  constructor(device: ServableDevice, options: BackendOptions) {
    this.#options = options;
    this.#window = options.window ?? new LookWindow(availableParallelism());
    this.counters = options.counters ?? new Counters();
    this.#device = device;
    checkServable(device);
    this.#listener = new UnixListener(options.socket);
    this.#watches = [
      this.#poll.watch(this.#listener.descriptor, 'edge', () => {
        this.#mayAccept = true;
      }),
    ];
    this.#emit({ event: 'listening', socket: options.socket });
  }

  /** Ends `run` when `descriptor` becomes readable: for other threads. */
  stopOn(descriptor: FileDescriptor): void {
    this.#watches.push(this.#poll.watch(descriptor, 'level', () => this.stop()));
  }

  stop(): void {
    this.#stopped = true;
    this.#wake?.();
  }

  /** Serves until `stop`. */
  async run(): Promise<void> {
    while (!this.#stopped) {
      if (this.#needsLoop) await this.#waitInEventLoop();
      this.step(this.#needsLoop ? 0 : -1);
    }
  }

  /** One round: waits up to `timeout` ms (-1: without limit) if there is nothing to do, and does what there is. */
  step(timeout: number): void {
    if (timeout === 0) this.#attachment?.askForKicks();
    if (timeout === 0 || this.#hasWork) this.#poll.wait(0);
    else this.#wait(this.#atMost(timeout));
    if (this.#attachment === undefined && this.#mayAccept) this.#accept();
    if (this.#attachment === undefined) return;
    try {
      this.#attachment.advance(timeout !== 0 && this.#window.isOpen);
    } catch (error) {
      this.#detach(error as Error & { code?: string });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    if (this.#attachment !== undefined) this.#detach(new Error('the back end was stopped'));
    for (const watch of this.#watches) watch[Symbol.dispose]();
    this.#listener[Symbol.dispose]();
    this.#poll[Symbol.dispose]();
    // Memory of requests that the device does not complete even now stays mapped: better than to be wrong.
    await this.#device.close();
  }

  /** Blocks the thread until there is something to do. @param timeout ms, -1: without limit */
  #wait(timeout: number): void {
    this.#window.wait(
      () => this.#look(),
      () => {
        this.#attachment?.askForKicks();
        this.#poll.wait(this.#hasWork ? 0 : timeout);
      },
    );
  }

  #look(): boolean {
    let found = false;
    for (let i = 0; i < LOOKS_PER_POLL && !found; i++) found = this.#attachment?.findWork() === true;
    // Whatever the rings have: a driver that always has requests does not keep messages from being read.
    return this.#poll.wait(0) > 0 || found;
  }

  /** @param timeout ms, -1: without limit */
  #atMost(timeout: number): number {
    const left = this.#attachment?.timeLeft ?? timeout;
    return timeout < 0 ? left : Math.min(timeout, left);
  }

  get #needsLoop(): boolean {
    return (
      this.#device.usesEventLoop === true || this.#draining.size > 0 || (this.#attachment?.isBusy ?? false)
    );
  }

  get #hasWork(): boolean {
    return this.#attachment === undefined ? this.#mayAccept : this.#attachment.hasWork;
  }

  #accept(): void {
    const socket = this.#listener.accept();
    if (socket === undefined) {
      this.#mayAccept = false;
      return;
    }
    this.counters.add('connections');
    const host = {
      poll: this.#poll,
      counters: this.counters,
      emit: (event: BackendEvent) => this.#emit(event),
      wake: () => this.#onWake(),
    };
    this.#connections += 1;
    try {
      this.#attachment = new Attachment(this.#connections, this.#device, socket, host, this.#options);
    } catch (error) {
      // The kernel has no room for one more.
      socket[Symbol.dispose]();
      this.#reportDetached(error as Error);
    }
  }

  #detach(error: Error & { code?: string }): void {
    const attachment = this.#attachment!;
    this.#attachment = undefined;
    attachment[Symbol.dispose]();
    if (attachment.isBusy) this.#draining.add(attachment);
    // The next one may have come while this one was here.
    this.#mayAccept = true;
    this.#reportDetached(error);
  }

  #reportDetached(error: Error & { code?: string }): void {
    if (error.code === 'VHOST_USER_BAD_MESSAGE') this.counters.add('protocolErrors');
    const code = error.code === 'VHOST_USER_DISCONNECTED' ? undefined : error.code;
    this.#emit({ event: 'detached', connection: this.#connections, reason: error.message, code });
  }

  #onWake(): void {
    for (const attachment of this.#draining) {
      if (!attachment.isBusy) this.#draining.delete(attachment);
    }
    this.#wake?.();
  }

  /** Lets the event loop turn until a descriptor is ready or a request has completed. */
  async #waitInEventLoop(): Promise<void> {
    this.#attachment?.askForKicks();
    if (this.#hasWork) {
      await new Promise((resolve) => setImmediate(resolve));
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const timeLeft = this.#attachment?.timeLeft;
    const timer = timeLeft === undefined ? undefined : setTimeout(resolve, timeLeft);
    using _watch = this.#poll.onceReady(resolve);
    await promise;
    clearTimeout(timer);
    this.#wake = undefined;
  }

  #emit(event: BackendEvent): void {
    this.#options.onEvent?.(event);
  }
}
