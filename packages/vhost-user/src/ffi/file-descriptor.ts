import { fstatSync, readlinkSync } from 'node:fs';
import { check, close, EINTR, errno, fcntl, pinnedBuffer, poll, SystemError } from './libc.ts';

const F_GETFL = 3;
const F_SETFL = 4;
const O_NONBLOCK = 0o4000;
const POLLIN = 1;

const pollfd = pinnedBuffer(8);

/** Owns one file descriptor and closes it exactly once. */
export class FileDescriptor implements Disposable {
  #fd: number;

  /** Takes over `fd`: nobody else closes it. */
  constructor(fd: number) {
    this.#fd = fd;
  }

  /** The number, for a call that ends before this object does; -1 once closed. */
  get number(): number {
    return this.#fd;
  }

  /** Length in bytes, and the unit that mappings of it must be aligned to. */
  stat(): { size: number; blockSize: number } {
    const { size, blksize } = fstatSync(this.#fd);
    return { size, blockSize: blksize };
  }

  /** What the kernel says it is: `anon_inode:[eventfd]`, `/memfd:name (deleted)`, a path, `socket:[123]`. */
  describe(): string {
    return readlinkSync(`/proc/self/fd/${this.#fd}`);
  }

  /** Sets O_NONBLOCK. The flag belongs to the open file, which other processes may share and change. */
  setNonBlocking(): void {
    const flags = check(fcntl(this.#fd, F_GETFL, 0), 'fcntl(F_GETFL)');
    check(fcntl(this.#fd, F_SETFL, flags | O_NONBLOCK), 'fcntl(F_SETFL, O_NONBLOCK)');
  }

  /**
   * Blocks the thread until a read would not wait. Signals do not end the wait.
   * @param timeout in ms, -1 for no limit
   * @returns false if `timeout` passed first
   */
  waitReadable(timeout: number): boolean {
    pollfd.view.setInt32(0, this.#fd, true);
    pollfd.view.setInt16(4, POLLIN, true);
    const end = performance.now() + timeout;
    let left = timeout;
    for (;;) {
      const count = poll(pollfd.bytes, 1, left);
      if (count !== -1) return count > 0;
      const code = errno();
      if (code !== EINTR) throw new SystemError(code, 'poll');
      if (timeout > 0) left = Math.max(0, Math.ceil(end - performance.now()));
    }
  }

  [Symbol.dispose](): void {
    if (this.#fd < 0) return;
    // Linux frees the number whatever close returns, so there is nothing to do about an error.
    close(this.#fd);
    this.#fd = -1;
  }
}

/** Closes all of `descriptors` and empties the list. */
export function closeAll(descriptors: FileDescriptor[]): void {
  for (const descriptor of descriptors) descriptor[Symbol.dispose]();
  descriptors.length = 0;
}
