import { lstatSync, unlinkSync } from 'node:fs';
import { closeAll, FileDescriptor } from './file-descriptor.ts';
import {
  accept4,
  bind,
  check,
  connect,
  EAGAIN,
  ECONNRESET,
  EINTR,
  EPIPE,
  errno,
  getpeername,
  layout,
  listen,
  type PinnedBuffer,
  pinnedBuffer,
  recvmsg,
  SystemError,
  sendmsg,
  shutdown,
  socket,
  socketpair,
} from './libc.ts';

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_CTRUNC = 0x8;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;
/** sizeof(sun_path), its terminating zero included. */
const SUN_PATH = 108;
const SHUT_RD = 0;
/** sizeof(sa_family_t): the length of an address without a name. */
const UNNAMED = 2;
const ECONNREFUSED = 111;

/** Descriptors that one `send` or `receive` can carry: what a vhost-user message may have at most. */
export const MAX_DESCRIPTORS = 8;
// Room for more, so that a few too many are received, counted and closed by us. Beyond that the kernel
// drops them and says so.
const CONTROL_DESCRIPTORS = MAX_DESCRIPTORS + 8;

const { iovec, msghdr, cmsghdr } = layout;
const alignControl = (n: number) => Math.ceil(n / cmsghdr.alignment) * cmsghdr.alignment;
const CONTROL_SIZE = cmsghdr.size + alignControl(4 * CONTROL_DESCRIPTORS);

/** How a `receive` ended. */
export type Received =
  /** Bytes were read, at least one. */
  | number
  /** Nothing there now. */
  | 'empty'
  /** The peer closed, or died. */
  | 'closed';

export function isSocket(descriptor: FileDescriptor): boolean {
  return descriptor.describe().startsWith('socket:');
}

/**
 * Makes a socket that somebody has sent us one over which nothing comes any more, and lets go of what came already.
 * @returns false if it is none of a pair without names: perhaps the sender's end of a connection to ourselves
 */
export function makeSendOnly(descriptor: FileDescriptor): boolean {
  const length = pinnedBuffer(4);
  const address = pinnedBuffer(2 + SUN_PATH);
  length.view.setUint32(0, address.bytes.length, true);
  if (getpeername(descriptor.number, address.bytes, length.bytes) === -1) return false;
  const isUnnamed = length.view.getUint32(0, true) === UNNAMED;
  if (!isUnnamed || address.view.getUint16(0, true) !== AF_UNIX) return false;
  if (shutdown(descriptor.number, SHUT_RD) === -1) return false;
  const peer = new UnixSocket(descriptor);
  const room = pinnedBuffer(4096);
  const descriptors: FileDescriptor[] = [];
  try {
    while (typeof peer.receive(room, 0, room.bytes.length, descriptors) === 'number') closeAll(descriptors);
    return true;
  } catch {
    // More descriptors than anybody needs.
    return false;
  } finally {
    closeAll(descriptors);
  }
}

/** One end of a connected Unix stream socket that passes file descriptors. It never blocks. */
export class UnixSocket implements Disposable {
  readonly descriptor: FileDescriptor;
  readonly #header: PinnedBuffer = pinnedBuffer(msghdr.size + iovec.size);
  readonly #control: PinnedBuffer = pinnedBuffer(CONTROL_SIZE);
  /** As long as the longest message that was sent: to make one and take its address costs as much as to send. */
  #outgoing: PinnedBuffer = pinnedBuffer(64);

  /** Takes over a connected, non-blocking socket. */
  constructor(descriptor: FileDescriptor) {
    this.descriptor = descriptor;
  }

  /** Connects to the socket at `path`. */
  static connect(path: string): UnixSocket {
    const descriptor = newSocket();
    try {
      const address = socketAddress(path);
      check(connect(descriptor.number, address, address.length), `connect to ${path}`);
      return new UnixSocket(descriptor);
    } catch (error) {
      descriptor[Symbol.dispose]();
      throw error;
    }
  }

  /** Two that are connected to each other, and have no names. */
  static pair(): [UnixSocket, UnixSocket] {
    const numbers = pinnedBuffer(8);
    const type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
    check(socketpair(AF_UNIX, type, 0, numbers.bytes), 'socketpair');
    const end = (offset: number) => new UnixSocket(new FileDescriptor(numbers.view.getInt32(offset, true)));
    return [end(0), end(4)];
  }

  /**
   * Reads up to `length` bytes into `target` at `offset`, and appends descriptors that came with them to
   * `descriptors`, which then owns them.
   * @throws {RangeError} if more descriptors came than `receive` has room for; none of them is left open
   */
  receive(target: PinnedBuffer, offset: number, length: number, descriptors: FileDescriptor[]): Received {
    if (!(offset >= 0 && length > 0 && offset + length <= target.bytes.length)) {
      throw new RangeError(`range ${offset}+${length} is outside of ${target.bytes.length} bytes`);
    }
    this.#fillHeader(target.address + BigInt(offset), length, CONTROL_SIZE);
    // SAFETY: the header points at `target` and `#control`, both held here until the call returned.
    const count = recvmsg(this.descriptor.number, this.#header.bytes, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (count === -1) {
      const code = errno();
      if (code === EAGAIN || code === EINTR) return 'empty';
      if (code === ECONNRESET) return 'closed';
      throw new SystemError(code, 'recvmsg');
    }
    const received = this.#receivedDescriptors();
    if (this.#header.view.getInt32(msghdr.flags, true) & MSG_CTRUNC) {
      closeAll(received);
      throw new RangeError(`more than ${CONTROL_DESCRIPTORS} descriptors in one message, or none free here`);
    }
    descriptors.push(...received);
    return count === 0 ? 'closed' : count;
  }

  /**
   * Sends all of `bytes` and, with the first of them, `descriptors`, which stay the caller's.
   * @returns false if the peer is gone, or does not read and its buffer is full
   */
  send(bytes: Uint8Array, descriptors: readonly FileDescriptor[] = []): boolean {
    if (descriptors.length > CONTROL_DESCRIPTORS) throw new RangeError(`${descriptors.length} descriptors`);
    if (this.#outgoing.bytes.length < bytes.length) this.#outgoing = pinnedBuffer(bytes.length);
    const source = this.#outgoing;
    source.bytes.set(bytes);
    const controlLength = this.#fillControl(descriptors);
    this.#fillHeader(source.address, bytes.length, controlLength);
    // SAFETY: the header points at `source` and `#control`, both held here until the call returned.
    const count = sendmsg(this.descriptor.number, this.#header.bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    source.bytes.fill(0, 0, bytes.length);
    if (count === -1) {
      const code = errno();
      if (code === EAGAIN || code === EPIPE || code === ECONNRESET) return false;
      throw new SystemError(code, 'sendmsg');
    }
    // A part that fits no longer means a reader thousands of messages behind.
    return count === bytes.length;
  }

  /** Blocks until there is something to receive. @returns false if `timeout` ms passed first */
  waitReadable(timeout: number): boolean {
    return this.descriptor.waitReadable(timeout);
  }

  [Symbol.dispose](): void {
    this.descriptor[Symbol.dispose]();
  }

  #fillHeader(base: bigint, length: number, controlLength: number): void {
    const { view, address } = this.#header;
    view.setBigUint64(msghdr.iov, address + BigInt(msghdr.size), true);
    view.setBigUint64(msghdr.iovCount, 1n, true);
    view.setBigUint64(msghdr.control, controlLength > 0 ? this.#control.address : 0n, true);
    view.setBigUint64(msghdr.controlLength, BigInt(controlLength), true);
    view.setBigUint64(msghdr.size + iovec.base, base, true);
    view.setBigUint64(msghdr.size + iovec.length, BigInt(length), true);
  }

  #fillControl(descriptors: readonly FileDescriptor[]): number {
    if (descriptors.length === 0) return 0;
    const { view } = this.#control;
    view.setBigUint64(cmsghdr.length, BigInt(cmsghdr.size + 4 * descriptors.length), true);
    view.setInt32(cmsghdr.level, SOL_SOCKET, true);
    view.setInt32(cmsghdr.type, SCM_RIGHTS, true);
    for (const [i, { number }] of descriptors.entries()) view.setInt32(cmsghdr.size + 4 * i, number, true);
    return cmsghdr.size + alignControl(4 * descriptors.length);
  }

  /** The descriptors of all control messages that the kernel has just written. */
  #receivedDescriptors(): FileDescriptor[] {
    const descriptors: FileDescriptor[] = [];
    const { view } = this.#control;
    const end = Number(this.#header.view.getBigUint64(msghdr.controlLength, true));
    for (let at = 0; at + cmsghdr.size <= end; ) {
      const length = Number(view.getBigUint64(at + cmsghdr.length, true));
      if (length < cmsghdr.size || at + length > end) break;
      const level = view.getInt32(at + cmsghdr.level, true);
      if (level === SOL_SOCKET && view.getInt32(at + cmsghdr.type, true) === SCM_RIGHTS) {
        for (let fd = at + cmsghdr.size; fd + 4 <= at + length; fd += 4) {
          descriptors.push(new FileDescriptor(view.getInt32(fd, true)));
        }
      }
      at += alignControl(length);
    }
    return descriptors;
  }
}

/** A Unix stream socket that listens at a path. It owns the path, and removes it in the end. */
export class UnixListener implements Disposable {
  readonly descriptor: FileDescriptor;
  readonly path: string;

  /**
   * Binds and listens. A socket that a dead process left at `path` is replaced; one that somebody listens
   * on, or a file of another kind, is not.
   */
  constructor(path: string) {
    this.path = path;
    const address = socketAddress(path);
    removeAbandonedSocket(path, address);
    this.descriptor = newSocket();
    try {
      check(bind(this.descriptor.number, address, address.length), `bind to ${path}`);
      check(listen(this.descriptor.number, 8), `listen on ${path}`);
    } catch (error) {
      this.descriptor[Symbol.dispose]();
      throw error;
    }
  }

  /** The next connection, or undefined if nobody waits for one (or no descriptor is free for it). */
  accept(): UnixSocket | undefined {
    const fd = accept4(this.descriptor.number, 0, 0, SOCK_CLOEXEC | SOCK_NONBLOCK);
    return fd === -1 ? undefined : new UnixSocket(new FileDescriptor(fd));
  }

  [Symbol.dispose](): void {
    if (this.descriptor.number < 0) return;
    this.descriptor[Symbol.dispose]();
    try {
      unlinkSync(this.path);
    } catch {
      // Somebody removed it, which is what we were about to do.
    }
  }
}

function newSocket(): FileDescriptor {
  return new FileDescriptor(check(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), 'socket'));
}

/** struct sockaddr_un. */
function socketAddress(path: string): Uint8Array {
  const name = new TextEncoder().encode(path);
  if (name.length === 0 || name.length >= SUN_PATH || name.includes(0)) {
    throw new RangeError(`a socket's path has 1 to ${SUN_PATH - 1} bytes, this has ${name.length}: ${path}`);
  }
  const { bytes, view } = pinnedBuffer(2 + SUN_PATH);
  view.setUint16(0, AF_UNIX, true);
  bytes.set(name, 2);
  return bytes;
}

function removeAbandonedSocket(path: string, address: Uint8Array): void {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSocket()) return;
  using probe = newSocket();
  if (connect(probe.number, address, address.length) === -1 && errno() === ECONNREFUSED) unlinkSync(path);
}
