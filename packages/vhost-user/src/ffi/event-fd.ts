import { FileDescriptor } from './file-descriptor.ts';
import { check, EAGAIN, EINTR, errno, eventfd, pinnedBuffer, read, SystemError, write } from './libc.ts';

const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;

const one = pinnedBuffer(8);
one.view.setBigUint64(0, 1n, true);
const counter = pinnedBuffer(8);

/** An eventfd: a counter that one side adds to and the other waits for. */
export class EventFd implements Disposable {
  readonly descriptor: FileDescriptor;

  private constructor(descriptor: FileDescriptor) {
    this.descriptor = descriptor;
  }

  /** A new one, non-blocking, counter at 0. */
  static create(): EventFd {
    return new EventFd(new FileDescriptor(check(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), 'eventfd')));
  }

  /**
   * Takes over a descriptor that came from somebody else, and closes it if it is refused.
   *
   * It is made non-blocking, because its other holder can fill the counter, and a write to a full counter
   * waits. They can also undo that; then they stall the one thread that serves nobody but them.
   * @throws {TypeError} if it is no eventfd
   */
  static adopt(descriptor: FileDescriptor): EventFd {
    try {
      const kind = descriptor.describe();
      if (kind !== 'anon_inode:[eventfd]') throw new TypeError(`an eventfd is expected, this is ${kind}`);
      descriptor.setNonBlocking();
      return new EventFd(descriptor);
    } catch (error) {
      descriptor[Symbol.dispose]();
      throw error;
    }
  }

  /** Adds 1. A full counter is as good: whoever waits for it is awake. */
  signal(): void {
    while (write(this.descriptor.number, one.bytes, 8) === -1) {
      const code = errno();
      if (code === EAGAIN) return;
      if (code !== EINTR) throw new SystemError(code, 'write to an eventfd');
    }
  }

  /** Sets the counter back to 0. @returns whether it was above */
  clear(): boolean {
    while (read(this.descriptor.number, counter.bytes, 8) === -1) {
      const code = errno();
      if (code === EAGAIN) return false;
      if (code !== EINTR) throw new SystemError(code, 'read of an eventfd');
    }
    return true;
  }

  /**
   * Blocks the thread until the counter is above 0, then clears it. Signals do not end the wait.
   * @param timeout in ms, -1 for no limit
   * @returns false if `timeout` passed first
   */
  wait(timeout: number): boolean {
    return this.descriptor.waitReadable(timeout) && this.clear();
  }

  [Symbol.dispose](): void {
    this.descriptor[Symbol.dispose]();
  }
}
