import type { GuestMemory, QueueLayout } from '@skytale/virtio';
import type { EventFd } from './ffi/event-fd.ts';
import type { EventPoll, Watch } from './ffi/event-poll.ts';
import type { MemoryTable } from './memory-table.ts';
import type { VringAddress } from './payload.ts';
import { refused } from './vhost-user-error.ts';

/** One ring as its front end has described it so far. Owns the ring's eventfds. */
export class Vring implements Disposable {
  readonly index: number;
  /** In descriptors; 0 until it is known. */
  size = 0;
  /** Where to go on in the available ring. */
  base = 0;
  /** Where it stopped, if it did. */
  stoppedAt: number | undefined;
  address: VringAddress | undefined;
  /** Whether the front end wants it to be worked on; undefined until it says so. */
  enabled: boolean | undefined;
  /** Where it lies while it is started; undefined while it is stopped. */
  layout: QueueLayout | undefined;
  /** Whether the device has a queue for it: while it is started and enabled, and until the last request is done. */
  isRunning = false;
  /** Its stop was ordered, and waits for requests under way. */
  isStopping = false;
  #kick: EventFd | undefined;
  #kickWatch: Watch | undefined;
  #call: EventFd | undefined;
  #error: EventFd | undefined;

  constructor(index: number) {
    this.index = index;
  }

  /** A ring starts as soon as it has a size, addresses and an eventfd to be kicked by. */
  get isComplete(): boolean {
    return this.size > 0 && this.address !== undefined && this.#kick !== undefined;
  }

  /** Takes over the eventfd that announces available buffers; `onKick` is called for each kick. */
  setKick(kick: EventFd | undefined, poll: EventPoll, onKick: () => void): void {
    this.#kickWatch?.[Symbol.dispose]();
    this.#kick?.[Symbol.dispose]();
    this.#kick = kick;
    // An edge is enough, see EventPoll: the eventfd is never read.
    this.#kickWatch = kick && poll.watch(kick.descriptor, 'edge', onKick);
  }

  /** Takes over the eventfd by which the driver learns of used buffers. */
  setCall(call: EventFd | undefined): void {
    this.#call?.[Symbol.dispose]();
    this.#call = call;
  }

  /** Takes over the eventfd by which the front end learns that the ring is broken. */
  setError(error: EventFd | undefined): void {
    this.#error?.[Symbol.dispose]();
    this.#error = error;
  }

  signalCall(): void {
    this.#call?.signal();
  }

  signalError(): void {
    this.#error?.signal();
  }

  /**
   * Where the ring lies in guest-physical memory.
   * @throws {VhostUserError} VHOST_USER_REFUSED if an address is in no region
   */
  findLayout(memory: MemoryTable): QueueLayout {
    const { descriptor, available, used } = this.address!;
    const translate = (address: number, part: string) => {
      const guestAddress = memory.toGuestAddress(address);
      if (guestAddress !== undefined) return guestAddress;
      throw refused(`ring ${this.index}: ${part} at 0x${address.toString(16)} is in no region of memory`);
    };
    return {
      size: this.size,
      descriptorTable: translate(descriptor, 'descriptor table'),
      availableRing: translate(available, 'available ring'),
      usedRing: translate(used, 'used ring'),
    };
  }

  /** The index that a used ring in memory has come to. The driver can write there: it is a claim. */
  static usedIndex(memory: GuestMemory, layout: QueueLayout): number {
    const header = memory.find(layout.usedRing, 4);
    return header === undefined ? 0 : header.view.getUint16(layout.usedRing - header.base + 2, true);
  }

  [Symbol.dispose](): void {
    this.#kickWatch?.[Symbol.dispose]();
    this.#kick?.[Symbol.dispose]();
    this.#call?.[Symbol.dispose]();
    this.#error?.[Symbol.dispose]();
  }
}
