/** The front end's side of the socket on which a back end has requests of its own. */
import { closeAll, type FileDescriptor } from './ffi/file-descriptor.ts';
import { pinnedBuffer } from './ffi/libc.ts';
import { UnixSocket } from './ffi/unix-socket.ts';
import { HEADER_SIZE } from './message.ts';
import { BACKEND_REQUEST, VERSION_1 } from './protocol.ts';
import { badMessage } from './vhost-user-error.ts';

export class BackendRequests implements Disposable {
  readonly #socket: UnixSocket;
  readonly #header = pinnedBuffer(HEADER_SIZE);
  #filled = 0;

  private constructor(socket: UnixSocket) {
    this.#socket = socket;
  }

  /** A new one, and the descriptor to give to the back end, which the caller owns. */
  static create(): { requests: BackendRequests; theirs: FileDescriptor } {
    const [ours, theirs] = UnixSocket.pair();
    return { requests: new BackendRequests(ours), theirs: theirs.descriptor };
  }

  get descriptor(): FileDescriptor {
    return this.#socket.descriptor;
  }

  /**
   * The next request, of which there is but one.
   * @throws {VhostUserError} VHOST_USER_BAD_MESSAGE if it is another
   */
  next(): 'config-change' | 'empty' | 'closed' {
    while (this.#filled < HEADER_SIZE) {
      const descriptors: FileDescriptor[] = [];
      const left = HEADER_SIZE - this.#filled;
      const received = this.#socket.receive(this.#header, this.#filled, left, descriptors);
      closeAll(descriptors);
      if (typeof received === 'string') return received;
      this.#filled += received;
    }
    this.#filled = 0;
    const [request, flags, size] = [0, 4, 8].map((offset) => this.#header.view.getUint32(offset, true));
    // With no other flag: this one needs no answer.
    if (request === BACKEND_REQUEST.CONFIG_CHANGE_MSG && flags === VERSION_1 && size === 0)
      return 'config-change';
    throw badMessage(
      `request ${request} of a back end, of ${size} bytes with flags ${flags}, is not known here`,
    );
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }
}
