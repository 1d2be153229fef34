/**
 * The C library's functions that Node has no words for, and the layouts they take.
 *
 * All of this package's FFI is in this directory. This file declares; it owns nothing. Who owns what:
 *
 * | resource | owner | released by |
 * |---|---|---|
 * | file descriptor | `FileDescriptor` and what is built on it | `close` |
 * | mapping of shared memory | `SharedMapping` | views detached, then `munmap` |
 * | entry in an epoll set | `Watch` | `EPOLL_CTL_DEL`, before the descriptor is closed |
 * | bound socket path | `UnixListener` | `unlink` |
 *
 * Nothing else in the package sees an address or calls a function of this file.
 *
 * SAFETY, for all of it: buffers that C reads or writes are typed arrays over an `ArrayBuffer` of their own,
 * whose memory V8 never moves, and whoever passes an address holds the buffer until the call returned. No
 * function here keeps an address after it returned, except `mmap`, which returns one.
 *
 * Sizes of types are those of 64-bit Linux (x86-64, arm64); both are little-endian.
 */

import { getSystemErrorMessage, getSystemErrorName } from 'node:util';
import koffi from 'koffi';

const libc = koffi.load(null);

type Address = number;

export const accept4 = libc.func('int accept4(int, uintptr_t, uintptr_t, int)') as (
  fd: number,
  address: Address,
  length: Address,
  flags: number,
) => number;
export const bind = libc.func('int bind(int, const void *, uint32_t)') as (
  fd: number,
  address: Uint8Array,
  length: number,
) => number;
export const close = libc.func('int close(int)') as (fd: number) => number;
export const connect = libc.func('int connect(int, const void *, uint32_t)') as (
  fd: number,
  address: Uint8Array,
  length: number,
) => number;
export const epollCreate1 = libc.func('int epoll_create1(int)') as (flags: number) => number;
export const epollCtl = libc.func('int epoll_ctl(int, int, int, void *)') as (
  epoll: number,
  operation: number,
  fd: number,
  event: Uint8Array | null,
) => number;
export const epollWait = libc.func('int epoll_wait(int, void *, int, int)') as (
  epoll: number,
  events: Uint8Array,
  count: number,
  timeout: number,
) => number;
export const eventfd = libc.func('int eventfd(unsigned int, int)') as (
  initial: number,
  flags: number,
) => number;
export const fcntl = libc.func('int fcntl(int, int, int)') as (
  fd: number,
  command: number,
  value: number,
) => number;
export const ftruncate = libc.func('int ftruncate(int, int64_t)') as (fd: number, length: number) => number;
export const listen = libc.func('int listen(int, int)') as (fd: number, backlog: number) => number;
export const memfdCreate = libc.func('int memfd_create(const char *, unsigned int)') as (
  name: string,
  flags: number,
) => number;
export const mmap = libc.func('intptr_t mmap(uintptr_t, size_t, int, int, int, int64_t)') as (
  hint: Address,
  length: number,
  protection: number,
  flags: number,
  fd: number,
  offset: number,
) => Address;
export const munmap = libc.func('int munmap(uintptr_t, size_t)') as (
  address: Address,
  length: number,
) => number;
export const poll = libc.func('int poll(void *, unsigned long, int)') as (
  fds: Uint8Array,
  count: number,
  timeout: number,
) => number;
export const read = libc.func('intptr_t read(int, void *, size_t)') as (
  fd: number,
  buffer: Uint8Array,
  length: number,
) => number;
export const recvmsg = libc.func('intptr_t recvmsg(int, void *, int)') as (
  fd: number,
  message: Uint8Array,
  flags: number,
) => number;
export const sendmsg = libc.func('intptr_t sendmsg(int, const void *, int)') as (
  fd: number,
  message: Uint8Array,
  flags: number,
) => number;
export const socket = libc.func('int socket(int, int, int)') as (
  family: number,
  type: number,
  protocol: number,
) => number;
export const getpeername = libc.func('int getpeername(int, void *, void *)') as (
  fd: number,
  address: Uint8Array,
  length: Uint8Array,
) => number;
export const shutdown = libc.func('int shutdown(int, int)') as (fd: number, how: number) => number;
export const socketpair = libc.func('int socketpair(int, int, int, void *)') as (
  family: number,
  type: number,
  protocol: number,
  numbers: Uint8Array,
) => number;
export const write = libc.func('intptr_t write(int, const void *, size_t)') as (
  fd: number,
  buffer: Uint8Array,
  length: number,
) => number;

/** A call into the kernel that failed. `code` is errno's name, such as `EAGAIN`. */
export class SystemError extends Error {
  readonly code: string;
  readonly errno: number;

  constructor(errno: number, what: string) {
    super(`${what}: ${getSystemErrorMessage(-errno)} (${getSystemErrorName(-errno)})`);
    this.name = 'SystemError';
    this.code = getSystemErrorName(-errno);
    this.errno = errno;
  }
}

export const { EAGAIN, ECONNRESET, EINTR, EPIPE } = koffi.os.errno as {
  EAGAIN: number;
  ECONNRESET: number;
  EINTR: number;
  EPIPE: number;
};

/** errno of the last call on this thread. Valid until the next one. */
export function errno(): number {
  return koffi.errno();
}

/** @throws {SystemError} if `result` is -1 */
export function check(result: number, what: string): number {
  if (result === -1) throw new SystemError(koffi.errno(), what);
  return result;
}

/**
 * Bytes that C may be given the address of, and that address.
 *
 * SAFETY: an `ArrayBuffer` made by itself lies outside of V8's moving heap. The address is good while
 * `bytes` is referenced; keep both together.
 */
export interface PinnedBuffer {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
  readonly address: bigint;
}

export function pinnedBuffer(length: number): PinnedBuffer {
  const bytes = new Uint8Array(new ArrayBuffer(length));
  return { bytes, view: new DataView(bytes.buffer), address: koffi.address(bytes) };
}

/**
 * The memory at `address` as an `ArrayBuffer`.
 *
 * SAFETY: the caller (only `SharedMapping`) detaches the buffer before it unmaps the memory.
 */
export function viewMemory(address: Address, length: number): ArrayBuffer {
  return koffi.view(address, length);
}

/** A descriptor in the event loop of this thread. */
export interface EventLoopWatch extends Disposable {
  /** Keeps the loop alive. A new watch does. */
  ref(): void;
  unref(): void;
}

/** Calls `onReadable` from the event loop as long as `fd` is readable. Dispose of it before `fd` is closed. */
export function watchInEventLoop(fd: number, onReadable: () => void): EventLoopWatch {
  let isClosed = false;
  // koffi calls us without telling Node, which would not run what our promises have set free until something
  // else happens. An immediate runs in the same turn of the loop, and is seen.
  const handle = koffi.node.poll(fd, { readable: true }, () => {
    setImmediate(() => {
      if (!isClosed) onReadable();
    });
  });
  return {
    ref: () => handle.ref(),
    unref: () => handle.unref(),
    [Symbol.dispose]: () => {
      isClosed = true;
      handle.close();
    },
  };
}

const Iovec = koffi.struct({ iov_base: 'uintptr_t', iov_len: 'size_t' });
const Msghdr = koffi.struct({
  msg_name: 'uintptr_t',
  msg_namelen: 'uint32_t',
  msg_iov: 'uintptr_t',
  msg_iovlen: 'size_t',
  msg_control: 'uintptr_t',
  msg_controllen: 'size_t',
  msg_flags: 'int',
});
const Cmsghdr = koffi.struct({ cmsg_len: 'size_t', cmsg_level: 'int', cmsg_type: 'int' });
// The kernel packs struct epoll_event on x86-64 and nowhere else.
const epollEventMembers = { events: 'uint32_t', data: 'uint64_t' };
const EpollEvent = process.arch === 'x64' ? koffi.pack(epollEventMembers) : koffi.struct(epollEventMembers);

/** Sizes and member offsets, in bytes, of the structures that are filled by hand. */
export const layout = {
  iovec: {
    size: koffi.sizeof(Iovec),
    base: koffi.offsetof(Iovec, 'iov_base'),
    length: koffi.offsetof(Iovec, 'iov_len'),
  },
  msghdr: {
    size: koffi.sizeof(Msghdr),
    iov: koffi.offsetof(Msghdr, 'msg_iov'),
    iovCount: koffi.offsetof(Msghdr, 'msg_iovlen'),
    control: koffi.offsetof(Msghdr, 'msg_control'),
    controlLength: koffi.offsetof(Msghdr, 'msg_controllen'),
    flags: koffi.offsetof(Msghdr, 'msg_flags'),
  },
  cmsghdr: {
    size: koffi.sizeof(Cmsghdr),
    length: koffi.offsetof(Cmsghdr, 'cmsg_len'),
    level: koffi.offsetof(Cmsghdr, 'cmsg_level'),
    type: koffi.offsetof(Cmsghdr, 'cmsg_type'),
    alignment: koffi.sizeof('size_t'),
  },
  epollEvent: {
    size: koffi.sizeof(EpollEvent),
    events: koffi.offsetof(EpollEvent, 'events'),
    data: koffi.offsetof(EpollEvent, 'data'),
  },
} as const;
