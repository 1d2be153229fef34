import { FileDescriptor } from './file-descriptor.ts';
import {
  check,
  EINTR,
  epollCreate1,
  epollCtl,
  epollWait,
  errno,
  layout,
  pinnedBuffer,
  SystemError,
  watchInEventLoop,
} from './libc.ts';

const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLLIN = 1;
const EPOLLHUP = 0x10;
const EPOLLET = 0x80000000;
const EVENTS_AT_ONCE = 64;

/** A descriptor's place in an `EventPoll`. Dispose of it before the descriptor is closed. */
export interface Watch extends Disposable {}

/**
 * Waits for many descriptors at once, by epoll.
 *
 * Epoll and not poll(2) for its edges: a watched eventfd wakes us at every write to it, so that we never have
 * to read it. That saves a call for every wake-up, and it means that its other holder cannot make us wait in
 * `read` by taking the count away in between.
 */
export class EventPoll implements Disposable {
  /** The epoll set itself, readable when `wait(0)` would find something. */
  readonly descriptor = new FileDescriptor(check(epollCreate1(EPOLL_CLOEXEC), 'epoll_create1'));
  readonly #handlers = new Map<number, (hungUp: boolean) => void>();
  readonly #event = pinnedBuffer(layout.epollEvent.size);
  readonly #ready = pinnedBuffer(layout.epollEvent.size * EVENTS_AT_ONCE);
  #lastToken = 0;

  /**
   * Calls `onReady` from `wait` whenever `fd` becomes readable (`edge`), or as long as it is (`level`). `hungUp` says
   * that nobody holds the other end of it any more, whatever is left to be read.
   *
   * SAFETY: the set refers to the open file, which lives on after our `close` if somebody else holds it. So
   * events carry a token that is never used twice, not the descriptor's number, which is.
   */
  watch(fd: FileDescriptor, trigger: 'edge' | 'level', onReady: (hungUp: boolean) => void): Watch {
    const token = ++this.#lastToken;
    const { events, data } = layout.epollEvent;
    this.#event.view.setUint32(events, trigger === 'edge' ? EPOLLIN | EPOLLET : EPOLLIN, true);
    this.#event.view.setBigUint64(data, BigInt(token), true);
    check(epollCtl(this.descriptor.number, EPOLL_CTL_ADD, fd.number, this.#event.bytes), 'epoll_ctl(ADD)');
    this.#handlers.set(token, onReady);
    return {
      [Symbol.dispose]: () => {
        if (this.#handlers.delete(token)) epollCtl(this.descriptor.number, EPOLL_CTL_DEL, fd.number, null);
      },
    };
  }

  /**
   * Blocks until something is ready, `timeout` ms have passed (-1: no limit) or a signal has come, and calls what
   * was registered for what is ready.
   * @returns how many descriptors were ready
   */
  wait(timeout: number): number {
    const count = epollWait(this.descriptor.number, this.#ready.bytes, EVENTS_AT_ONCE, timeout);
    if (count === -1) {
      const code = errno();
      if (code === EINTR) return 0;
      throw new SystemError(code, 'epoll_wait');
    }
    for (let i = 0; i < count; i++) {
      const at = i * layout.epollEvent.size;
      const token = this.#ready.view.getUint32(at + layout.epollEvent.data, true);
      const hungUp = (this.#ready.view.getUint32(at + layout.epollEvent.events, true) & EPOLLHUP) !== 0;
      // A handler earlier in this round may have ended this watch.
      this.#handlers.get(token)?.(hungUp);
    }
    return count;
  }

  /** Calls `onReady` from the event loop when `wait(0)` would find something. Dispose of the result first. */
  onceReady(onReady: () => void): Disposable {
    return watchInEventLoop(this.descriptor.number, onReady);
  }

  [Symbol.dispose](): void {
    this.#handlers.clear();
    this.descriptor[Symbol.dispose]();
  }
}
