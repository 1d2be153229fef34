/**
 * The front end: the VMM's half of vhost-user, to drive any back end without a virtual machine.
 *
 * Control messages block the thread until they are answered, which takes microseconds. Nothing here needs
 * an event loop, and requests can go the same way: put a `DriverQueue` into the memory, start its ring, and
 * wait for `call`. For a driver with promises see `VhostUserTransport`.
 */
import type { GuestRegion, QueueLayout } from '@skytale/virtio';
import { BackendRequests } from './backend-requests.ts';
import { EventFd } from './ffi/event-fd.ts';
import type { FileDescriptor } from './ffi/file-descriptor.ts';
import { createSharedMemory, SharedMapping } from './ffi/shared-memory.ts';
import { UnixSocket } from './ffi/unix-socket.ts';
import { encodeMessage, type Message, MessageReader } from './message.ts';
import {
  type InflightArea,
  type MemoryRegion,
  readConfigRange,
  readInflightArea,
  readU64,
  readVringState,
  writeConfigRange,
  writeInflightArea,
  writeMemoryRegion,
  writeMemoryTable,
  writeU64,
  writeVringAddress,
  writeVringFile,
  writeVringState,
} from './payload.ts';
import {
  FLAG_NEED_REPLY,
  PROTOCOL_F_MQ,
  PROTOCOL_F_REPLY_ACK,
  REQUEST,
  type RequestName,
  VHOST_USER_F_PROTOCOL_FEATURES,
} from './protocol.ts';
import { badMessage, refused, VhostUserError } from './vhost-user-error.ts';

export interface FrontEndOptions {
  /** How long an answer may take, in milliseconds; 5000 unless told. */
  readonly timeout?: number;
  /** Called again and again while an answer is awaited: to run a back end in the same thread. */
  readonly idle?: () => void;
}

/** The eventfds of a ring that was started. Owns them. */
export class FrontRing implements Disposable {
  readonly index: number;
  readonly kick = EventFd.create();
  readonly call = EventFd.create();
  readonly error = EventFd.create();

  constructor(index: number) {
    this.index = index;
  }

  [Symbol.dispose](): void {
    this.kick[Symbol.dispose]();
    this.call[Symbol.dispose]();
    this.error[Symbol.dispose]();
  }
}

/** Guest memory to share with a back end: a sealed memfd, mapped here too. Owns both. */
export class FrontMemory implements Disposable {
  readonly file: FileDescriptor;
  readonly region: MemoryRegion;
  readonly #mapping: SharedMapping;

  /** @param userAddress where the memory is said to be in this process; no more than a name to back ends */
  constructor(size: number, guestAddress = 0, userAddress = 0x7f00_0000_0000 + guestAddress) {
    this.file = createSharedMemory('guest-memory', size);
    this.#mapping = new SharedMapping(this.file, 0, size);
    this.region = { guestAddress, size, userAddress, mmapOffset: 0 };
  }

  /** The same memory, as a driver sees it. */
  get guestRegion(): GuestRegion {
    return { base: this.region.guestAddress, bytes: this.#mapping.bytes };
  }

  [Symbol.dispose](): void {
    this.#mapping[Symbol.dispose]();
    this.file[Symbol.dispose]();
  }
}

export class FrontEnd implements Disposable {
  readonly socket: UnixSocket;
  readonly #reader: MessageReader;
  readonly #timeout: number;
  readonly #idle: (() => void) | undefined;
  #hasProtocolFeatures = false;
  #protocolFeatures = 0n;
  #memory: readonly MemoryRegion[] = [];

  private constructor(socket: UnixSocket, { timeout = 5000, idle }: FrontEndOptions) {
    this.socket = socket;
    this.#reader = new MessageReader(socket, 'back end');
    this.#timeout = timeout;
    this.#idle = idle;
  }

  /** Connects to the back end that listens at `path`. @throws {SystemError} if none does */
  static connect(path: string, options: FrontEndOptions = {}): FrontEnd {
    return new FrontEnd(UnixSocket.connect(path), options);
  }

  /** Protocol features agreed on. */
  get protocolFeatures(): bigint {
    return this.#protocolFeatures;
  }

  /** Agrees on as many of these protocol features as the back end offers, and becomes its owner. */
  negotiate(wanted: bigint): { features: bigint; queues: number } {
    const features = this.getFeatures();
    this.#hasProtocolFeatures = (features & VHOST_USER_F_PROTOCOL_FEATURES) !== 0n;
    if (this.#hasProtocolFeatures) {
      const agreed = readU64(this.#ask('GET_PROTOCOL_FEATURES').payload) & wanted;
      this.send('SET_PROTOCOL_FEATURES', writeU64(agreed));
      this.#protocolFeatures = agreed;
    }
    this.order('SET_OWNER');
    const hasQueueNumber = (this.#protocolFeatures & PROTOCOL_F_MQ) !== 0n;
    return { features, queues: hasQueueNumber ? Number(readU64(this.#ask('GET_QUEUE_NUM').payload)) : 1 };
  }

  getFeatures(): bigint {
    return readU64(this.#ask('GET_FEATURES').payload);
  }

  /** Passes on what the driver accepts; the protocol's own bit is added. */
  setFeatures(features: bigint): void {
    const ours = this.#hasProtocolFeatures ? VHOST_USER_F_PROTOCOL_FEATURES : 0n;
    this.order('SET_FEATURES', writeU64(features | ours));
  }

  /** Shares these pieces of memory, at most 8, in place of all others. They stay the caller's. */
  setMemory(memory: readonly { readonly file: FileDescriptor; readonly region: MemoryRegion }[]): void {
    const regions = memory.map(({ region }) => region);
    const files = memory.map(({ file }) => file);
    this.order('SET_MEM_TABLE', writeMemoryTable(regions), files);
    this.#memory = regions;
  }

  addMemory({ file, region }: { readonly file: FileDescriptor; readonly region: MemoryRegion }): void {
    this.order('ADD_MEM_REG', writeMemoryRegion(region), [file]);
    this.#memory = [...this.#memory, region];
  }

  removeMemory(region: MemoryRegion): void {
    this.order('REM_MEM_REG', writeMemoryRegion(region));
    this.#memory = this.#memory.filter(({ guestAddress }) => guestAddress !== region.guestAddress);
  }

  getMaxMemorySlots(): number {
    return Number(readU64(this.#ask('GET_MAX_MEM_SLOTS').payload));
  }

  /**
   * Starts a ring that lies in the shared memory at guest-physical addresses.
   * @param base where it goes on: 0, or what `stopRing` returned
   */
  startRing(index: number, layout: QueueLayout, base = 0): FrontRing {
    const ring = new FrontRing(index);
    try {
      this.order('SET_VRING_NUM', writeVringState({ index, num: layout.size }));
      this.order('SET_VRING_BASE', writeVringState({ index, num: base }));
      const descriptor = this.#userAddress(layout.descriptorTable);
      const available = this.#userAddress(layout.availableRing);
      const used = this.#userAddress(layout.usedRing);
      this.order('SET_VRING_ADDR', writeVringAddress({ index, flags: 0, descriptor, available, used }));
      const payload = writeVringFile({ index, hasDescriptor: true });
      this.order('SET_VRING_CALL', payload, [ring.call.descriptor]);
      this.order('SET_VRING_ERR', payload, [ring.error.descriptor]);
      this.order('SET_VRING_KICK', payload, [ring.kick.descriptor]);
      if (this.#hasProtocolFeatures) this.order('SET_VRING_ENABLE', writeVringState({ index, num: 1 }));
      return ring;
    } catch (error) {
      ring[Symbol.dispose]();
      throw error;
    }
  }

  /** Stops a ring. @returns where it can go on in its available ring */
  stopRing(index: number): number {
    return readVringState(this.#ask('GET_VRING_BASE', writeVringState({ index, num: 0 })).payload).num;
  }

  /** @throws {VhostUserError} VHOST_USER_REFUSED if the configuration space is smaller */
  getConfig(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    const { payload } = this.#ask('GET_CONFIG', writeConfigRange({ offset, flags: 0, bytes }));
    if (payload.length === 0)
      throw refused(`the back end refuses ${length} bytes of configuration at ${offset}`);
    return readConfigRange(payload).bytes.slice();
  }

  setConfig(offset: number, bytes: Uint8Array): void {
    this.order('SET_CONFIG', writeConfigRange({ offset, flags: 0, bytes }));
  }

  /** @param message one of the layouts that QEMU has had. @returns the same, with the session's id in it */
  createCryptoSession(message: Uint8Array): Uint8Array {
    return this.#ask('CREATE_CRYPTO_SESSION', message).payload;
  }

  closeCryptoSession(id: bigint): void {
    this.order('CLOSE_CRYPTO_SESSION', writeU64(id));
  }

  /** Memory of the back end's in which it will note requests in flight; the caller owns the file. */
  getInflight(queues: number, queueSize: number): { area: InflightArea; file: FileDescriptor } {
    const wanted = { mmapSize: 0, mmapOffset: 0, queues, queueSize };
    const reply = this.#receive(this.#sendQuestion('GET_INFLIGHT_FD', writeInflightArea(wanted)));
    return { area: readInflightArea(reply.payload), file: reply.takeDescriptor() };
  }

  setInflight(file: FileDescriptor, area: InflightArea): void {
    this.order('SET_INFLIGHT_FD', writeInflightArea(area), [file]);
  }

  /** Hears of requests of the back end's own from now on; PROTOCOL_F_BACKEND_REQ was agreed on. */
  openBackendRequests(): BackendRequests {
    const { requests, theirs } = BackendRequests.create();
    using _theirs = theirs;
    try {
      this.order('SET_BACKEND_REQ_FD', new Uint8Array(0), [theirs]);
      return requests;
    } catch (error) {
      requests[Symbol.dispose]();
      throw error;
    }
  }

  resetDevice(): void {
    this.order('RESET_DEVICE');
  }

  setStatus(status: number): void {
    this.order('SET_STATUS', writeU64(BigInt(status)));
  }

  getStatus(): number {
    return Number(readU64(this.#ask('GET_STATUS').payload));
  }

  /**
   * Sends a request that has no answer of its own, and waits until it is acknowledged, if that was agreed on.
   * @throws {VhostUserError} VHOST_USER_REFUSED
   */
  order(
    name: RequestName,
    payload: Uint8Array = new Uint8Array(0),
    descriptors: readonly FileDescriptor[] = [],
  ): void {
    const isAcknowledged = (this.#protocolFeatures & PROTOCOL_F_REPLY_ACK) !== 0n;
    this.send(name, payload, descriptors, isAcknowledged ? FLAG_NEED_REPLY : 0);
    if (!isAcknowledged) return;
    using reply = this.#receive(REQUEST[name]);
    if (readU64(reply.payload) !== 0n) throw refused(`the back end refuses ${name}`);
  }

  /** Sends a message and waits for nothing. @throws {VhostUserError} VHOST_USER_DISCONNECTED */
  send(
    name: RequestName,
    payload: Uint8Array = new Uint8Array(0),
    descriptors: readonly FileDescriptor[] = [],
    flags = 0,
  ): void {
    if (!this.socket.send(encodeMessage(REQUEST[name], flags, payload), descriptors)) {
      throw new VhostUserError('VHOST_USER_DISCONNECTED', `the back end is gone, or does not read ${name}`);
    }
  }

  /** Whether the back end is still there. It says nothing unless asked, so anything else ends it. */
  isConnected(): boolean {
    try {
      return this.#reader.next() === 'empty';
    } catch {
      return false;
    }
  }

  [Symbol.dispose](): void {
    this.#reader[Symbol.dispose]();
    this.socket[Symbol.dispose]();
  }

  #sendQuestion(name: RequestName, payload?: Uint8Array): number {
    this.send(name, payload);
    return REQUEST[name];
  }

  /** For answers without a descriptor. The payload is a copy. */
  #ask(name: RequestName, payload?: Uint8Array): { payload: Uint8Array } {
    using reply = this.#receive(this.#sendQuestion(name, payload));
    return { payload: reply.payload.slice() };
  }

  #receive(request: number): Message {
    const deadline = Date.now() + this.#timeout;
    for (;;) {
      const next = this.#reader.next();
      if (next === 'closed')
        throw new VhostUserError('VHOST_USER_DISCONNECTED', 'the back end closed the connection');
      if (next !== 'empty') {
        if (next.request === request) return next;
        using message = next;
        throw badMessage(`the back end answers ${message.name}, which was not asked`);
      }
      this.#idle?.();
      const left = deadline - Date.now();
      if (left <= 0) {
        const message = `the back end has not answered for ${this.#timeout} ms`;
        throw new VhostUserError('VHOST_USER_TIMEOUT', message);
      }
      if (this.#idle === undefined) this.socket.waitReadable(left);
    }
  }

  #userAddress(guestAddress: number): number {
    const region = this.#memory.find(
      (region) => guestAddress >= region.guestAddress && guestAddress < region.guestAddress + region.size,
    );
    if (region === undefined)
      throw new RangeError(`0x${guestAddress.toString(16)} is in no memory that is shared`);
    return region.userAddress + (guestAddress - region.guestAddress);
  }
}
