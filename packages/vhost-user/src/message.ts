/**
 * Messages: header, payload, file descriptors.
 *
 * What may come is written down in one table, and nothing else gets past the reader: the size of a payload
 * and the number of descriptors are checked before anybody looks at either.
 */
import { closeAll, type FileDescriptor } from './ffi/file-descriptor.ts';
import { type PinnedBuffer, pinnedBuffer } from './ffi/libc.ts';
import { isSocket, MAX_DESCRIPTORS, makeSendOnly, type UnixSocket } from './ffi/unix-socket.ts';
import {
  CONFIG_SPACE_MAX,
  CRYPTO_SESSION_SIZES,
  FLAG_REPLY,
  MEM_TABLE_REGIONS_MAX,
  REQUEST,
  type RequestNumber,
  requestName,
  VERSION_1,
  VERSION_MASK,
} from './protocol.ts';
import { badMessage } from './vhost-user-error.ts';

/** u32 request, u32 flags, u32 size of the payload. */
export const HEADER_SIZE = 12;
/** The largest payload of all messages. */
export const PAYLOAD_MAX = 1072;

/** A message that was received. It owns the descriptors that nobody took, and wipes its payload: it may hold keys. */
export class Message implements Disposable {
  readonly request: number;
  readonly flags: number;
  readonly payload: Uint8Array<ArrayBuffer>;
  readonly descriptors: FileDescriptor[];

  constructor(
    request: number,
    flags: number,
    payload: Uint8Array<ArrayBuffer>,
    descriptors: FileDescriptor[],
  ) {
    this.request = request;
    this.flags = flags;
    this.payload = payload;
    this.descriptors = descriptors;
  }

  get name(): string {
    return requestName(this.request);
  }

  /** Hands the first descriptor that is left over to the caller. */
  takeDescriptor(): FileDescriptor {
    const descriptor = this.descriptors.shift();
    if (descriptor === undefined) throw badMessage(`${this.name} came without a descriptor`);
    return descriptor;
  }

  [Symbol.dispose](): void {
    closeAll(this.descriptors);
    this.payload.fill(0);
  }
}

/** The bytes of a message. `flags` is added to the protocol's version. */
export function encodeMessage(request: number, flags: number, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER_SIZE + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, request, true);
  view.setUint32(4, VERSION_1 | flags, true);
  view.setUint32(8, payload.length, true);
  bytes.set(payload, HEADER_SIZE);
  return bytes;
}

/** What a message looks like: its payload's possible sizes and the most descriptors it can bring. */
interface MessageShape {
  readonly hasSize: (size: number) => boolean;
  readonly descriptors: number;
}

const U64 = 8;
const VRING_STATE = 8;
const VRING_ADDRESS = 40;
const MEMORY_REGION = 32;
const CONFIG_HEADER = 12;

const shape = (sizes: readonly number[], descriptors = 0): MessageShape => ({
  hasSize: (size) => sizes.includes(size),
  descriptors,
});
const NOTHING = shape([0]);
const memoryTable: MessageShape = {
  hasSize: (size) => size % MEMORY_REGION === 8 && size <= 8 + MEMORY_REGION * MEM_TABLE_REGIONS_MAX,
  descriptors: MEM_TABLE_REGIONS_MAX,
};
const config: MessageShape = {
  hasSize: (size) => size >= CONFIG_HEADER && size <= CONFIG_HEADER + CONFIG_SPACE_MAX,
  descriptors: 0,
};
// With and without the padding at the end of the structure.
const INFLIGHT_SIZES = [20, 24];

const requestShapes: Record<RequestNumber, MessageShape> = {
  [REQUEST.GET_FEATURES]: NOTHING,
  [REQUEST.SET_FEATURES]: shape([U64]),
  [REQUEST.SET_OWNER]: NOTHING,
  [REQUEST.RESET_OWNER]: NOTHING,
  [REQUEST.SET_MEM_TABLE]: memoryTable,
  [REQUEST.SET_LOG_BASE]: shape([U64, 16], 1),
  [REQUEST.SET_LOG_FD]: shape([0, U64], 1),
  [REQUEST.SET_VRING_NUM]: shape([VRING_STATE]),
  [REQUEST.SET_VRING_ADDR]: shape([VRING_ADDRESS]),
  [REQUEST.SET_VRING_BASE]: shape([VRING_STATE]),
  [REQUEST.GET_VRING_BASE]: shape([VRING_STATE]),
  [REQUEST.SET_VRING_KICK]: shape([U64], 1),
  [REQUEST.SET_VRING_CALL]: shape([U64], 1),
  [REQUEST.SET_VRING_ERR]: shape([U64], 1),
  [REQUEST.GET_PROTOCOL_FEATURES]: NOTHING,
  [REQUEST.SET_PROTOCOL_FEATURES]: shape([U64]),
  [REQUEST.GET_QUEUE_NUM]: NOTHING,
  [REQUEST.SET_VRING_ENABLE]: shape([VRING_STATE]),
  [REQUEST.SET_BACKEND_REQ_FD]: shape([0, U64], 1),
  [REQUEST.GET_CONFIG]: config,
  [REQUEST.SET_CONFIG]: config,
  [REQUEST.CREATE_CRYPTO_SESSION]: shape(CRYPTO_SESSION_SIZES),
  [REQUEST.CLOSE_CRYPTO_SESSION]: shape([U64]),
  [REQUEST.GET_INFLIGHT_FD]: shape(INFLIGHT_SIZES),
  [REQUEST.SET_INFLIGHT_FD]: shape(INFLIGHT_SIZES, 1),
  [REQUEST.RESET_DEVICE]: NOTHING,
  [REQUEST.GET_MAX_MEM_SLOTS]: NOTHING,
  [REQUEST.ADD_MEM_REG]: shape([8 + MEMORY_REGION], 1),
  // The descriptor is against the specification, which allows to accept it: older front ends send one.
  [REQUEST.REM_MEM_REG]: shape([8 + MEMORY_REGION], 1),
  [REQUEST.SET_STATUS]: shape([U64]),
  [REQUEST.GET_STATUS]: NOTHING,
};

/** To a front end: replies carry the shape of the request, a u64, or an empty payload for an error. */
const replyShape: MessageShape = {
  hasSize: (size) => size <= PAYLOAD_MAX,
  descriptors: 1,
};

/**
 * Takes messages from a socket without ever waiting: what has not come yet is read when it comes, in a later
 * call. It reads up to the end of one message and no further, so no descriptor is taken for another's.
 */
export class MessageReader implements Disposable {
  readonly #socket: UnixSocket;
  readonly #from: 'front end' | 'back end';
  readonly #buffer: PinnedBuffer = pinnedBuffer(HEADER_SIZE + PAYLOAD_MAX);
  readonly #descriptors: FileDescriptor[] = [];
  #filled = 0;
  /** Of the message under way, once its header is there and was checked. */
  #shape: MessageShape | undefined;

  /** @param from who writes to this socket: requests come from front ends, replies from back ends */
  constructor(socket: UnixSocket, from: 'front end' | 'back end') {
    this.#socket = socket;
    this.#from = from;
  }

  /**
   * The next whole message.
   * @throws {VhostUserError} VHOST_USER_BAD_MESSAGE: the stream cannot be read any further
   */
  next(): Message | 'empty' | 'closed' {
    for (;;) {
      const end = this.#shape === undefined ? HEADER_SIZE : HEADER_SIZE + this.#field(8);
      while (this.#filled < end) {
        const received = this.#receive(end - this.#filled);
        if (typeof received === 'string') return received;
        this.#filled += received;
      }
      if (this.#shape !== undefined) return this.#finish();
      this.#shape = this.#checkHeader();
    }
  }

  [Symbol.dispose](): void {
    closeAll(this.#descriptors);
    this.#buffer.bytes.fill(0);
  }

  #field(offset: number): number {
    return this.#buffer.view.getUint32(offset, true);
  }

  #refuseSockets(): void {
    if (this.#descriptors.some(isSocket)) throw badMessage('a socket came with a message that needs none');
  }

  #receive(length: number): number | 'empty' | 'closed' {
    const held = this.#descriptors.length;
    let received: number | 'empty' | 'closed';
    try {
      received = this.#socket.receive(this.#buffer, this.#filled, length, this.#descriptors);
    } catch (error) {
      if (error instanceof RangeError) throw badMessage(error.message);
      throw error;
    }
    if (this.#descriptors.length > MAX_DESCRIPTORS) {
      throw badMessage(`${this.#descriptors.length} descriptors in one message`);
    }
    for (const descriptor of this.#descriptors.slice(held)) checkKind(descriptor, this.#from);
    if (received === 'closed' && this.#filled > 0) {
      throw badMessage(`the connection ended ${this.#filled} bytes into a message`);
    }
    return received;
  }

  #checkHeader(): MessageShape {
    const [request, flags, size] = [this.#field(0), this.#field(4), this.#field(8)];
    const fromBackEnd = this.#from === 'back end';
    if ((flags & VERSION_MASK) !== VERSION_1 || ((flags & FLAG_REPLY) !== 0) !== fromBackEnd) {
      throw badMessage(
        `${requestName(request)} with flags 0x${flags.toString(16)} is no message of a ${this.#from}`,
      );
    }
    const shape = fromBackEnd ? replyShape : requestShapes[request as RequestNumber];
    if (shape === undefined) throw badMessage(`${requestName(request)} is not known here`);
    if (!shape.hasSize(size))
      throw badMessage(`${requestName(request)} cannot have ${size} bytes of payload`);
    return shape;
  }

  #finish(): Message {
    const [request, flags] = [this.#field(0), this.#field(4)];
    const descriptors = this.#descriptors.length;
    const most = this.#shape!.descriptors;
    if (descriptors > most) {
      throw badMessage(
        `${requestName(request)} came with ${descriptors} descriptors, at most ${most} belong to it`,
      );
    }
    if (request !== REQUEST.SET_BACKEND_REQ_FD) this.#refuseSockets();
    const payload = this.#buffer.bytes.slice(HEADER_SIZE, this.#filled);
    // It may have been a key.
    this.#buffer.bytes.fill(0);
    this.#filled = 0;
    this.#shape = undefined;
    return new Message(request, flags, payload, this.#descriptors.splice(0));
  }
}

/**
 * Messages bring eventfds and files of memory, and one brings a socket for requests of ours. None of them may keep the
 * sender's own end of this connection open, or nobody would notice that it has died: not itself (a socket with a
 * name at the other end is not for us), nor sent over such a socket and left lying there (nothing can be sent to us
 * any more over one that we have taken). Other things that hold files, such as io_uring, could hide one.
 */
function checkKind(descriptor: FileDescriptor, from: 'front end' | 'back end'): void {
  const kind = descriptor.describe();
  if (kind.startsWith('/') || kind === 'anon_inode:[eventfd]') return;
  if (from === 'back end' || !isSocket(descriptor) || !makeSendOnly(descriptor)) {
    throw badMessage(`${kind} is neither an eventfd nor memory, nor a socket for requests of ours`);
  }
}
