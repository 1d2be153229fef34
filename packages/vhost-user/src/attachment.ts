/**
 * One front end, from its connection to its end: carries out its messages.
 *
 * The front end is not trusted, nor is the driver behind it. A message that breaks the protocol ends the
 * connection. A request that cannot be granted changes nothing and is refused: with a reply if the front
 * end asked for one, else by ending the connection, for it would go on as if it had been granted. A ring
 * that breaks the rules breaks the device until it is reset. What a guest can bring about as often as it likes and
 * does no harm ends nothing. None of this is noticed by anybody else.
 */
import { STATUS_DEVICE_NEEDS_RESET } from '@skytale/virtio';
import type { BackendEvent, Counters } from './backend-events.ts';
import { EventFd } from './ffi/event-fd.ts';
import type { EventPoll, Watch } from './ffi/event-poll.ts';
import type { FileDescriptor } from './ffi/file-descriptor.ts';
import { isSocket, UnixSocket } from './ffi/unix-socket.ts';
import { GuestDevice, type GuestDeviceOptions, type GuestEvent } from './guest-device.ts';
import { MEMORY_SLOTS } from './memory-table.ts';
import { encodeMessage, type Message, MessageReader } from './message.ts';
import {
  readConfigRange,
  readInflightArea,
  readMemoryRegion,
  readMemoryTable,
  readU64,
  readVringAddress,
  readVringFile,
  readVringState,
  writeConfigRange,
  writeInflightArea,
  writeU64,
  writeVringState,
} from './payload.ts';
import {
  BACKEND_REQUEST,
  CONFIG_FLAG_MIGRATION,
  FLAG_NEED_REPLY,
  FLAG_REPLY,
  PROTOCOL_F_BACKEND_REQ,
  PROTOCOL_F_CONFIG,
  PROTOCOL_F_CONFIGURE_MEM_SLOTS,
  PROTOCOL_F_CRYPTO_SESSION,
  PROTOCOL_F_INFLIGHT_SHMFD,
  PROTOCOL_F_MQ,
  PROTOCOL_F_REPLY_ACK,
  PROTOCOL_F_RESET_DEVICE,
  PROTOCOL_F_STATUS,
  REQUEST,
} from './protocol.ts';
import { type CryptoSessionHandler, cryptoSessionsOf, type ServableDevice } from './servable-device.ts';
import { badMessage, refused, VhostUserError } from './vhost-user-error.ts';

/**
 * All the protocol features there are. LOG_SHMFD is not among them, nor VHOST_F_LOG_ALL: what a device knows
 * besides memory, sessions above all, could not migrate with a guest, so its front end is told that the guest
 * cannot be migrated.
 */
export const PROTOCOL_FEATURES =
  PROTOCOL_F_MQ |
  PROTOCOL_F_REPLY_ACK |
  PROTOCOL_F_BACKEND_REQ |
  PROTOCOL_F_CRYPTO_SESSION |
  PROTOCOL_F_CONFIG |
  PROTOCOL_F_INFLIGHT_SHMFD |
  PROTOCOL_F_RESET_DEVICE |
  PROTOCOL_F_CONFIGURE_MEM_SLOTS |
  PROTOCOL_F_STATUS;

/** Messages that are carried out before the rings have their turn. */
const MESSAGES_AT_ONCE = 32;
/**
 * Refusals of one front end that are told of; more are counted only. They are no reason to end the connection: a guest
 * can have its VMM send as many as it likes, by reading behind the end of the configuration, or by a reboot with many
 * sessions open, of which each is then closed once more.
 */
const REFUSALS_TOLD = 32;

/** Milliseconds that the device has for requests under way when a queue stops, unless told. */
const STOP_TIMEOUT = 5000;

export interface AttachmentOptions extends GuestDeviceOptions {
  /**
   * Protocol features to offer, of PROTOCOL_FEATURES. Without PROTOCOL_F_STATUS, QEMU 8 and later does not
   * reset the device when the virtual machine is paused, but only when its driver resets it.
   */
  readonly protocolFeatures?: bigint;
  /**
   * Milliseconds that the device has, when a queue stops or is reset, to complete or give back the requests under
   * way; the machine stands still meanwhile. Then the connection ends, and the next front end is served. 5000
   * unless told.
   */
  readonly stopTimeout?: number;
}

/** What an attachment needs of its back end. */
export interface AttachmentHost {
  readonly poll: EventPoll;
  readonly counters: Counters;
  emit(event: BackendEvent): void;
  /** Something that went on in the event loop is done. */
  wake(): void;
}

/** What answers a question. The descriptor is then closed. */
type Reply = Uint8Array | { readonly payload: Uint8Array; readonly descriptor: FileDescriptor };
/** Requests with an answer of their own; undefined: it comes later. */
type Questions = { readonly [request: number]: (message: Message) => Reply | undefined };
/** All others. They are acknowledged if the front end wants that. */
type Orders = { readonly [request: number]: (message: Message) => void };

export class Attachment implements Disposable {
  readonly #id: number;
  readonly #device: ServableDevice;
  readonly #socket: UnixSocket;
  readonly #host: AttachmentHost;
  readonly #reader: MessageReader;
  readonly #guest: GuestDevice;
  readonly #socketWatch: Watch;
  readonly #questions: Questions;
  readonly #orders: Orders;
  readonly #offeredProtocolFeatures: bigint;
  readonly #stopTimeout: number;
  /** For requests of ours. */
  #backendSocket: UnixSocket | undefined;
  #messagesWaiting = true;
  /** The front end is gone, whatever it has sent before. */
  #hungUp = false;
  /** A ring whose stop is answered once none of its requests is under way. */
  #stopping: number | undefined;
  /** When requests that a stop or a reset waits for must be done, on the clock of `performance`. */
  #deadline: number | undefined;
  #protocolFeatures = 0n;
  #status = 0;
  #reportedFeatures: bigint | undefined;
  #refusals = 0;

  /** Takes over the socket. */
  constructor(
    id: number,
    device: ServableDevice,
    socket: UnixSocket,
    host: AttachmentHost,
    options: AttachmentOptions,
  ) {
    this.#id = id;
    this.#device = device;
    this.#socket = socket;
    this.#host = host;
    this.#reader = new MessageReader(socket, 'front end');
    const { poll, counters } = host;
    const emit = (event: GuestEvent) => this.#emit(event);
    const configChanged = () => this.#announceConfig();
    const wake = () => host.wake();
    this.#guest = new GuestDevice(device, { poll, counters, emit, configChanged, wake }, options);
    const possible = PROTOCOL_FEATURES & (options.protocolFeatures ?? PROTOCOL_FEATURES);
    this.#offeredProtocolFeatures = cryptoSessionsOf(device)
      ? possible
      : possible & ~PROTOCOL_F_CRYPTO_SESSION;
    this.#questions = this.#makeQuestions();
    this.#orders = this.#makeOrders();
    this.#stopTimeout = options.stopTimeout ?? STOP_TIMEOUT;
    this.#socketWatch = poll.watch(socket.descriptor, 'edge', (hungUp) => {
      this.#messagesWaiting = true;
      this.#hungUp ||= hungUp;
    });
    this.#emit({ event: 'attached' });
  }

  /** Whether requests are under way that complete in the event loop. */
  get isBusy(): boolean {
    return this.#guest.isBusy;
  }

  /** Whether `advance` has something to do now. */
  get hasWork(): boolean {
    return (
      this.#guest.hasWork || this.#canReceive || this.#isStopped || (this.#isWaiting && this.timeLeft === 0)
    );
  }

  /** Milliseconds until `advance` has something to do at the latest; undefined if it may be never. */
  get timeLeft(): number | undefined {
    if (this.#deadline === undefined) return undefined;
    return this.#hungUp ? 0 : Math.max(0, Math.ceil(this.#deadline - performance.now()));
  }

  /**
   * Does what there is to do, a bounded amount of it.
   * @param quietly drivers are not asked to kick: who says so looks by `findWork`, and calls `askForKicks` before it sleeps
   * @throws {Error} the attachment is at its end: VHOST_USER_DISCONNECTED if the front end left, else it is
   *   thrown out
   */
  advance(quietly = false): void {
    this.#guest.runRings(quietly);
    if (this.#isStopped) this.#finishStop(this.#stopping!);
    if (this.#isWaiting && this.timeLeft === 0) throw this.#whyNotWait();
    for (let i = 0; i < MESSAGES_AT_ONCE && this.#canReceive; i++) this.#receive();
    this.#deadline = this.#isWaiting ? (this.#deadline ?? performance.now() + this.#stopTimeout) : undefined;
  }

  /** Looks for requests of drivers that were not asked to kick. @returns whether `advance` has something to do */
  findWork(): boolean {
    return this.#guest.findRequests() || this.hasWork;
  }

  /** Asks drivers to kick from now on; there may be something to do already. */
  askForKicks(): void {
    this.#guest.askForKicks();
  }

  [Symbol.dispose](): void {
    this.#socketWatch[Symbol.dispose]();
    this.#reader[Symbol.dispose]();
    this.#socket[Symbol.dispose]();
    this.#backendSocket?.[Symbol.dispose]();
    this.#guest[Symbol.dispose]();
  }

  /** Messages wait while a stop or a reset does: what they ask for comes after it. */
  get #canReceive(): boolean {
    return this.#messagesWaiting && !this.#isWaiting;
  }

  get #isWaiting(): boolean {
    return this.#stopping !== undefined || this.#guest.isResetting;
  }

  get #isStopped(): boolean {
    return this.#stopping !== undefined && this.#guest.isStopped(this.#stopping);
  }

  #whyNotWait(): VhostUserError {
    if (this.#hungUp) return new VhostUserError('VHOST_USER_DISCONNECTED', 'the front end left');
    const message = `the device has kept requests for ${this.#stopTimeout} ms since it was told to stop`;
    return new VhostUserError('VHOST_USER_STOP_TIMEOUT', message);
  }

  #receive(): void {
    const next = this.#reader.next();
    if (next === 'empty') {
      this.#messagesWaiting = false;
      return;
    }
    if (next === 'closed') throw new VhostUserError('VHOST_USER_DISCONNECTED', 'the front end left');
    using message = next;
    this.#host.counters.add('messages');
    const question = this.#questions[message.request];
    // What this very message negotiates is not in force yet.
    const acknowledges = question === undefined && this.#acknowledges(message);
    try {
      if (question !== undefined) this.#answer(message.request, question(message));
      else this.#orders[message.request]!(message);
      if (acknowledges) this.#send(message.request, writeU64(0n));
    } catch (error) {
      if (!(error instanceof VhostUserError && error.code === 'VHOST_USER_REFUSED')) throw error;
      this.#reportRefusal(message, error);
      if (!acknowledges) throw error;
      this.#send(message.request, writeU64(1n));
    }
  }

  /** Whether the sender of an order waits for an answer. */
  #acknowledges({ flags }: Message): boolean {
    return (flags & FLAG_NEED_REPLY) !== 0 && (this.#protocolFeatures & PROTOCOL_F_REPLY_ACK) !== 0n;
  }

  #reportRefusal(message: Message, error: Error): void {
    this.#refusals += 1;
    this.#host.counters.add('refused');
    if (this.#refusals > REFUSALS_TOLD) return;
    const more = this.#refusals === REFUSALS_TOLD ? ' (from now on refusals are only counted)' : '';
    this.#emit({ event: 'refused', request: message.name, reason: error.message + more });
  }

  #answer(request: number, reply: Reply | undefined): void {
    if (reply === undefined) return;
    if (reply instanceof Uint8Array) {
      this.#send(request, reply);
      return;
    }
    using descriptor = reply.descriptor;
    this.#send(request, reply.payload, [descriptor]);
  }

  #send(request: number, payload: Uint8Array, descriptors: readonly FileDescriptor[] = []): void {
    const bytes = encodeMessage(request, FLAG_REPLY, payload);
    const sent = this.#socket.send(bytes, descriptors);
    bytes.fill(0);
    if (!sent) throw new VhostUserError('VHOST_USER_DISCONNECTED', 'the front end does not read its replies');
  }

  #emit(event: GuestEvent | { event: 'attached' }): void {
    this.#host.emit({ ...event, connection: this.#id } as BackendEvent);
  }

  #makeQuestions(): Questions {
    const guest = this.#guest;
    return {
      [REQUEST.GET_FEATURES]: () => writeU64(guest.offeredFeatures),
      [REQUEST.GET_PROTOCOL_FEATURES]: () => writeU64(this.#offeredProtocolFeatures),
      [REQUEST.GET_QUEUE_NUM]: () => writeU64(BigInt(this.#device.queueSizes.length)),
      [REQUEST.GET_MAX_MEM_SLOTS]: () => writeU64(BigInt(MEMORY_SLOTS)),
      [REQUEST.GET_VRING_BASE]: ({ payload }) => this.#stopRing(readVringState(payload).index),
      [REQUEST.GET_CONFIG]: (message) => this.#getConfig(message),
      [REQUEST.CREATE_CRYPTO_SESSION]: ({ payload }) => {
        this.#cryptoSessions.createSession(payload);
        return payload;
      },
      [REQUEST.GET_INFLIGHT_FD]: ({ payload }) => {
        const { queues, queueSize } = readInflightArea(payload);
        const { area, file } = guest.createInflightArea(queues, queueSize);
        return { payload: writeInflightArea(area, payload.length), descriptor: file };
      },
      [REQUEST.GET_STATUS]: () =>
        writeU64(BigInt(this.#status | (guest.isBroken ? STATUS_DEVICE_NEEDS_RESET : 0))),
    };
  }

  #makeOrders(): Orders {
    const guest = this.#guest;
    return {
      [REQUEST.SET_FEATURES]: ({ payload }) => this.#setFeatures(readU64(payload)),
      [REQUEST.SET_PROTOCOL_FEATURES]: ({ payload }) => this.#setProtocolFeatures(readU64(payload)),
      // Who connects is the owner; and giving that up means nothing any more, says the specification.
      [REQUEST.SET_OWNER]: () => {},
      [REQUEST.RESET_OWNER]: () => {},
      [REQUEST.SET_MEM_TABLE]: (message) => {
        const regions = readMemoryTable(message.payload);
        expectDescriptors(message, regions.length);
        guest.replaceMemory(regions, message.descriptors);
      },
      [REQUEST.ADD_MEM_REG]: (message) => {
        expectDescriptors(message, 1);
        guest.addMemory(readMemoryRegion(message.payload), message.descriptors[0]!);
      },
      [REQUEST.REM_MEM_REG]: ({ payload }) => guest.removeMemory(readMemoryRegion(payload)),
      [REQUEST.SET_LOG_BASE]: refuseLog,
      [REQUEST.SET_LOG_FD]: refuseLog,
      [REQUEST.SET_VRING_NUM]: ({ payload }) => {
        const { index, num } = readVringState(payload);
        guest.setRingSize(index, num);
      },
      [REQUEST.SET_VRING_BASE]: ({ payload }) => {
        const { index, num } = readVringState(payload);
        guest.setRingBase(index, num);
      },
      [REQUEST.SET_VRING_ADDR]: ({ payload }) => guest.setRingAddress(readVringAddress(payload)),
      [REQUEST.SET_VRING_KICK]: (message) => {
        const { index, event } = takeEventFd(message);
        if (event === undefined)
          throw refused(`ring ${index} cannot be polled: it needs an eventfd for kicks`);
        guest.setKick(index, event);
      },
      [REQUEST.SET_VRING_CALL]: (message) => {
        const { index, event } = takeEventFd(message);
        guest.setCall(index, event);
      },
      [REQUEST.SET_VRING_ERR]: (message) => {
        const { index, event } = takeEventFd(message);
        guest.setError(index, event);
      },
      [REQUEST.SET_VRING_ENABLE]: ({ payload }) => {
        const { index, num } = readVringState(payload);
        guest.setEnabled(index, num !== 0);
      },
      [REQUEST.SET_BACKEND_REQ_FD]: (message) => {
        expectDescriptors(message, 1);
        if (!isSocket(message.descriptors[0]!)) throw badMessage(`${message.name} came without a socket`);
        this.#backendSocket?.[Symbol.dispose]();
        this.#backendSocket = new UnixSocket(message.takeDescriptor());
      },
      [REQUEST.SET_CONFIG]: (message) => this.#setConfig(message),
      [REQUEST.CLOSE_CRYPTO_SESSION]: (message) => this.#closeCryptoSession(message),
      [REQUEST.SET_INFLIGHT_FD]: (message) => {
        expectDescriptors(message, 1);
        guest.adoptInflightArea(message.descriptors[0]!, readInflightArea(message.payload));
      },
      [REQUEST.RESET_DEVICE]: () => guest.reset(),
      [REQUEST.SET_STATUS]: ({ payload }) => this.#setStatus(readU64(payload)),
    };
  }

  #setFeatures(features: bigint): void {
    this.#guest.acceptFeatures(features);
    if (features === this.#reportedFeatures) return;
    this.#reportedFeatures = features;
    this.#emit({
      event: 'features',
      features: `0x${features.toString(16)}`,
      protocolFeatures: `0x${this.#protocolFeatures.toString(16)}`,
    });
  }

  #setProtocolFeatures(features: bigint): void {
    const unknown = features & ~this.#offeredProtocolFeatures;
    if (unknown !== 0n) throw refused(`protocol features 0x${unknown.toString(16)} were not offered`);
    this.#protocolFeatures = features;
  }

  #setStatus(value: bigint): void {
    if (value > 0xffn) throw refused(`0x${value.toString(16)} is no device status`);
    // The other bits are for the driver's front end: QEMU sets them in its own order, and not all of them.
    this.#status = Number(value);
    if (value === 0n) this.#guest.reset();
  }

  /** @returns undefined if requests are under way: the answer then waits for theirs */
  #stopRing(index: number): Uint8Array | undefined {
    this.#guest.stopRing(index);
    if (this.#guest.isStopped(index)) return writeVringState({ index, num: this.#guest.baseOf(index) });
    this.#stopping = index;
    return undefined;
  }

  #finishStop(index: number): void {
    this.#stopping = undefined;
    this.#send(REQUEST.GET_VRING_BASE, writeVringState({ index, num: this.#guest.baseOf(index) }));
  }

  /** An empty payload tells the front end of an error. */
  #getConfig(message: Message): Uint8Array {
    const { offset, flags, bytes } = readConfigRange(message.payload);
    const { config } = this.#device;
    if (offset + bytes.length <= config.length) {
      return writeConfigRange({ offset, flags, bytes: config.subarray(offset, offset + bytes.length) });
    }
    const reason = `${bytes.length} bytes of configuration at ${offset}: this device has ${config.length}`;
    this.#reportRefusal(message, refused(reason));
    return new Uint8Array(0);
  }

  /**
   * To a front end that wants to know of changes. One that does not read them is told no more: it has had word of one
   * already, and asks for the whole configuration then.
   */
  #announceConfig(): void {
    const wanted = PROTOCOL_F_BACKEND_REQ | PROTOCOL_F_CONFIG;
    if ((this.#protocolFeatures & wanted) !== wanted) return;
    try {
      this.#backendSocket?.send(encodeMessage(BACKEND_REQUEST.CONFIG_CHANGE_MSG, 0, new Uint8Array(0)));
    } catch {
      // A socket of another kind, or gone: the front end's loss, not the device's, which has called us.
    }
  }

  #setConfig(message: Message): void {
    const { offset, flags, bytes } = readConfigRange(message.payload);
    if (flags === CONFIG_FLAG_MIGRATION) throw refused('this device cannot be migrated');
    if (offset + bytes.length <= this.#device.config.length) {
      this.#guest.writeConfig(offset, bytes);
      return;
    }
    const reason = refused(
      `${bytes.length} bytes of configuration at ${offset} are not inside of the configuration`,
    );
    // A guest may write there, to no effect: that its front end cannot be told is no reason to throw both out.
    if (this.#acknowledges(message)) throw reason;
    this.#reportRefusal(message, reason);
  }

  get #cryptoSessions(): CryptoSessionHandler {
    const sessions = cryptoSessionsOf(this.#device);
    if (sessions === undefined) throw refused('this device has no crypto sessions');
    return sessions;
  }

  /** To close what is not open does no harm: QEMU goes on doing so after its guest was reset. */
  #closeCryptoSession(message: Message): void {
    const sessions = this.#cryptoSessions;
    const id = readU64(message.payload);
    try {
      sessions.closeSession(id);
    } catch (error) {
      this.#reportRefusal(message, refused(`session ${id} is not closed: ${(error as Error).message}`));
    }
  }
}

function expectDescriptors(message: Message, count: number): void {
  const { length } = message.descriptors;
  if (length !== count)
    throw badMessage(`${message.name} came with ${length} descriptors instead of ${count}`);
}

/** The eventfd of SET_VRING_KICK, CALL or ERR; undefined if the message says that there is none. */
function takeEventFd(message: Message): { index: number; event: EventFd | undefined } {
  const { index, hasDescriptor } = readVringFile(message.payload);
  expectDescriptors(message, hasDescriptor ? 1 : 0);
  if (!hasDescriptor) return { index, event: undefined };
  try {
    return { index, event: EventFd.adopt(message.takeDescriptor()) };
  } catch (error) {
    throw refused(`${message.name}: ${(error as Error).message}`, { cause: error });
  }
}

function refuseLog(): void {
  throw refused('writes to memory cannot be logged: VHOST_F_LOG_ALL is not offered');
}
