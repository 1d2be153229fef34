/**
 * The device's side of a split virtqueue: VIRTIO 1.3, section 2.7. Takes chains from the available ring,
 * hands them out as requests, and returns them through the used ring.
 *
 * The driver is not trusted. Whatever it writes leads either to a request that is sound (see
 * descriptor-chain.ts for what that means) or to a VirtqueueError; there are never more requests in
 * flight than descriptors. After an error the queue must not be used again.
 */
import { readChain } from './descriptor-chain.ts';
import type { GuestMemory } from './guest-memory.ts';
import { Segments } from './segments.ts';
import {
  crossesEvent,
  type MappedRing,
  mapRing,
  type QueueLayout,
  RING_ENTRIES,
  RING_FLAGS,
  RING_INDEX,
  VIRTQ_AVAIL_F_NO_INTERRUPT,
  VIRTQ_USED_F_NO_NOTIFY,
} from './split-ring.ts';
import type { VirtioRequest } from './virtio-device.ts';
import { VirtqueueError } from './virtio-error.ts';

/**
 * Keeps a record of the requests in flight, for a device that must be able to go on after its process died:
 * what was taken and not returned is then handed out again (`resubmit`).
 */
export interface RequestTracker {
  /** The chain at descriptor `head` was taken. */
  taken(head: number): void;
  /** It is about to be returned: the used index does not show it yet. */
  returning(head: number): void;
  /** It was returned: the used index is `usedIndex` now. */
  returned(head: number, usedIndex: number): void;
  /** It was given back unused, and the available index with it: it is to be taken from the ring again. */
  givenBack(head: number): void;
}

/** Where the rings of a queue stand. */
export interface QueueIndices {
  /** Index of the next entry to take from the available ring. */
  readonly availableIndex: number;
  /** Index of the next entry to write in the used ring. */
  readonly usedIndex: number;
}

export interface VirtqueueOptions {
  /**
   * Accept indirect tables. Normally: whether VIRTIO_F_INDIRECT_DESC was negotiated; true for a VMM that is
   * known to agree on more with its guest than it says.
   */
  readonly indirect: boolean;
  /**
   * Use the event indices instead of the flags: VIRTIO_F_EVENT_IDX. Where a VMM does not say what its guest agreed on
   * it is 'unknown', and done what is right for both: see `wantsInterrupt` and `allowKicks`.
   */
  readonly eventIdx: boolean | 'unknown';
  /**
   * Most descriptors in a chain. The standard's limit, and the default, is the queue size (2.7.5.3.1), which
   * Linux exceeds in indirect tables.
   */
  readonly maxChainLength?: number;
  /** Where to go on in the available ring, for a queue that ran before. 0 unless told. */
  readonly availableIndex?: number;
  /** The same for the used ring. */
  readonly usedIndex?: number;
  /** Heads that were taken before and not returned: handed out first, in this order. */
  readonly resubmit?: readonly number[];
  readonly tracker?: RequestTracker;
  /** Called after each request that completes. */
  readonly onUsed?: () => void;
}

/** A request as the queue hands it out. The object serves one request after another. */
export interface TakenRequest extends VirtioRequest {
  /** Which of them it serves now. */
  readonly serial: number;
}

export class SplitVirtqueue {
  readonly layout: QueueLayout;
  readonly #memory: GuestMemory;
  readonly #rules: { readonly indirect: boolean; readonly maxLength: number };
  readonly #usesFlags: boolean;
  readonly #usesEvents: boolean;
  /** Whether the driver says by an event index when to notify it. */
  readonly #obeysEvents: boolean;
  readonly #onUsed: (() => void) | undefined;
  readonly #tracker: RequestTracker | undefined;
  /** Heads still to be handed out again, the next one last. */
  readonly #resubmit: number[];
  readonly #mask: number;
  /** 1 for each head that was taken and not yet returned. */
  readonly #headInFlight: Uint8Array;
  readonly #idle: ChainRequest[] = [];
  readonly #owner: RequestOwner = {
    complete: (request, written) => this.#return(request, written),
    giveBack: (request, written) => this.#takeBack(request, written),
  };
  #ring: MappedRing;
  #nextAvailable: number;
  /** What the driver's index was when it was read last: chains up to there can be taken. */
  #seenAvailable: number;
  #nextUsed: number;
  /** Between `beginBatch` and `endBatch`: what completes is shown to the driver by `publish`, not at once. */
  #isBatching = false;
  /** What #nextUsed was when the driver's wish to be notified was looked at last. */
  #checkedUsed: number;
  #inFlight = 0;
  /** Chains taken from the available ring, less those that went back: the order of the one that was taken last. */
  #taken = 0;
  /** Chains handed out again; their orders count down, for they are at no place of their own in the ring. */
  #resubmitted = 0;
  /** Given back while the queue stops, by the order in which they were taken. */
  readonly #unused = new Map<number, { readonly head: number; readonly written: number }>();
  /** Takes nothing more; what is under way is still returned. */
  #stopping = false;
  /** Returns nothing more either. */
  #stopped = false;
  readonly #whenDrained: (() => void)[] = [];

  /** @throws {VirtqueueError} VIRTQUEUE_SIZE, VIRTQUEUE_UNALIGNED, VIRTQUEUE_RING_OUTSIDE_MEMORY */
  constructor(memory: GuestMemory, layout: QueueLayout, options: VirtqueueOptions) {
    this.#memory = memory;
    this.layout = layout;
    this.#ring = mapRing(memory, layout);
    this.#rules = { indirect: options.indirect, maxLength: options.maxChainLength ?? layout.size };
    this.#usesFlags = options.eventIdx !== true;
    this.#usesEvents = options.eventIdx !== false;
    this.#obeysEvents = options.eventIdx === true;
    this.#onUsed = options.onUsed;
    this.#tracker = options.tracker;
    this.#resubmit = options.resubmit?.toReversed() ?? [];
    this.#mask = layout.size - 1;
    this.#headInFlight = new Uint8Array(layout.size);
    this.#nextAvailable = (options.availableIndex ?? 0) & 0xffff;
    this.#seenAvailable = this.#nextAvailable;
    this.#nextUsed = (options.usedIndex ?? 0) & 0xffff;
    this.#checkedUsed = this.#nextUsed;
  }

  /** Requests taken and not yet completed. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Final once the queue has stopped and is drained. */
  get indices(): QueueIndices {
    return { availableIndex: this.#nextAvailable, usedIndex: this.#nextUsed };
  }

  /** The memory table was replaced: finds the rings again. Throws as the constructor. */
  remap(): void {
    this.#ring = mapRing(this.#memory, this.layout);
  }

  /**
   * Takes the next chain.
   * @returns undefined if there is none
   * @throws {VirtqueueError} if the driver broke a rule
   */
  take(): TakenRequest | undefined {
    if (this.#stopping) return undefined;
    if (this.#resubmit.length > 0) return this.#takeChain(this.#resubmit.pop()!, -++this.#resubmitted);
    const { available } = this.#ring;
    // What was seen is taken before the index is read again.
    if (this.#seenAvailable === this.#nextAvailable && !this.#lookForMore()) return undefined;
    const head = available[RING_ENTRIES + (this.#nextAvailable & this.#mask)]!;
    const request = this.#takeChain(head, this.#taken + 1);
    this.#taken += 1;
    this.#nextAvailable = (this.#nextAvailable + 1) & 0xffff;
    return request;
  }

  /**
   * What completes from now on is not shown to the driver before `publish` or `endBatch`: a store that both
   * sides' processors must agree on costs as much as all the rest of returning a chain (2.7.8 lets devices batch).
   * Without effect where a tracker wants to know of each.
   */
  beginBatch(): void {
    this.#isBatching = this.#tracker === undefined;
  }

  /** Shows the driver what has completed. */
  publish(): void {
    if (this.#isBatching) Atomics.store(this.#ring.used, RING_INDEX, this.#nextUsed);
  }

  /** Shows the driver what has completed, and from now on at once. */
  endBatch(): void {
    this.publish();
    this.#isBatching = false;
  }

  /** Tells the driver that it need not notify of available buffers (2.7.10.2). It may all the same. */
  suppressKicks(): void {
    // With event indices the one that was set last is passed already, which suppresses as well.
    if (this.#usesFlags) Atomics.store(this.#ring.used, RING_FLAGS, VIRTQ_USED_F_NO_NOTIFY);
  }

  /**
   * Asks the driver to notify of the next available buffer. Where it is unknown what it goes by, by both: one with
   * event indices ignores the flag (2.7.10.1), one without ignores the index.
   * @returns whether there is one already, of which it may not notify
   */
  allowKicks(): boolean {
    if (this.#stopping) return false;
    const { used } = this.#ring;
    // Sequentially consistent store and load: the driver sees our wish or we see its index (2.7.13.4.1).
    if (this.#usesEvents) Atomics.store(used, used.length - 1, this.#nextAvailable);
    if (this.#usesFlags) Atomics.store(used, RING_FLAGS, 0);
    return this.hasMore;
  }

  /** Whether there are chains to take: for who looks instead of being notified. */
  get hasMore(): boolean {
    if (this.#stopping) return false;
    return (
      Atomics.load(this.#ring.available, RING_INDEX) !== this.#nextAvailable || this.#resubmit.length > 0
    );
  }

  /**
   * Whether the driver wants to be notified of what was used since the last call (2.7.7.2). Where it is unknown what
   * it goes by, by the flag: one with event indices leaves that 0 (2.7.7.1), and is notified more often than it wants.
   */
  wantsInterrupt(): boolean {
    const before = this.#checkedUsed;
    const now = this.#nextUsed;
    if (before === now || this.#stopped) return false;
    this.#checkedUsed = now;
    const { available } = this.#ring;
    if (this.#obeysEvents) return crossesEvent(Atomics.load(available, available.length - 1), before, now);
    return (Atomics.load(available, RING_FLAGS) & VIRTQ_AVAIL_F_NO_INTERRUPT) === 0;
  }

  /**
   * Takes nothing more. Requests in flight still complete, or are given back; when none is left, those given back
   * are settled: the available index goes back over the unbroken tail of what was taken, so that they are offered
   * again when the queue goes on. One that a later request has passed by cannot: where a tracker has a record of
   * it, it is left there to be handed out again, else it is used, with as many bytes as the device said.
   */
  quiesce(): void {
    this.#stopping = true;
  }

  /** Takes and returns nothing more: requests in flight may complete, the driver does not learn of it. */
  stop(): void {
    if (this.#stopped) return;
    this.endBatch();
    this.#stopping = true;
    this.#stopped = true;
    this.#unused.clear();
  }

  /** Calls `drained` once no request is left that could touch the guest's memory. For a queue that stops. */
  whenDrained(drained: () => void): void {
    this.#whenDrained.push(drained);
    this.#checkDrained();
  }

  /** Reads the driver's index. @returns whether there is a chain to take */
  #lookForMore(): boolean {
    const { size } = this.layout;
    const index = Atomics.load(this.#ring.available, RING_INDEX);
    const waiting = (index - this.#nextAvailable) & 0xffff;
    if (waiting > size) {
      const message = `available index is ${waiting} ahead in a queue of ${size}`;
      throw new VirtqueueError('VIRTQUEUE_AVAILABLE_JUMP', message);
    }
    this.#seenAvailable = index;
    return waiting > 0;
  }

  #takeChain(head: number, order: number): TakenRequest {
    const { size } = this.layout;
    if (head >= size) {
      const message = `available ring names descriptor ${head} in a queue of ${size}`;
      throw new VirtqueueError('VIRTQUEUE_DESCRIPTOR_INDEX', message);
    }
    if (this.#headInFlight[head] !== 0) {
      const message = `descriptor ${head} was made available again before it was used`;
      throw new VirtqueueError('VIRTQUEUE_HEAD_IN_FLIGHT', message);
    }
    const request = this.#idle.pop() ?? new ChainRequest(this.#owner);
    const { table, tableOffset } = this.#ring;
    const { readable, writable } = request;
    readChain(this.#memory, this.#rules, table, tableOffset, size, head, readable, writable);
    request.head = head;
    request.order = order;
    this.#headInFlight[head] = 1;
    this.#inFlight += 1;
    this.#tracker?.taken(head);
    return request;
  }

  /**
   * The device failed and will not complete the request, nor touch its memory any more. For a stopped queue;
   * nothing happens if the request was completed after all.
   */
  giveUp(request: TakenRequest, serial: number): void {
    if (request.serial !== serial) return;
    this.#release(request as ChainRequest);
    this.#checkDrained();
  }

  #checkDrained(): void {
    if (!this.#stopping || this.#inFlight > 0) return;
    if (!this.#stopped) this.#settleUnused();
    this.#stopped = true;
    for (const drained of this.#whenDrained.splice(0)) drained();
  }

  #settleUnused(): void {
    for (;;) {
      const last = this.#unused.get(this.#taken);
      if (last === undefined) break;
      this.#unused.delete(this.#taken);
      this.#taken -= 1;
      this.#nextAvailable = (this.#nextAvailable - 1) & 0xffff;
      this.#tracker?.givenBack(last.head);
    }
    if (this.#tracker === undefined)
      for (const { head, written } of this.#unused.values()) this.#use(head, written);
    this.#unused.clear();
  }

  #release(request: ChainRequest): void {
    this.#headInFlight[request.head] = 0;
    this.#inFlight -= 1;
    request.release();
    this.#idle.push(request);
  }

  #takeBack(request: ChainRequest, written: number): void {
    if (!this.#stopping) throw new Error('a queue takes requests back only when it stops');
    checkWritten(request, written);
    const { head, order } = request;
    this.#release(request);
    if (!this.#stopped) this.#unused.set(order, { head, written });
    this.#checkDrained();
  }

  #return(request: ChainRequest, written: number): void {
    checkWritten(request, written);
    const { head } = request;
    this.#release(request);
    if (!this.#stopped) this.#use(head, written);
    this.#checkDrained();
  }

  #use(head: number, written: number): void {
    const { used, usedEntries } = this.#ring;
    const slot = (this.#nextUsed & this.#mask) * 2;
    usedEntries[slot] = head;
    usedEntries[slot + 1] = written;
    this.#nextUsed = (this.#nextUsed + 1) & 0xffff;
    if (!this.#isBatching) {
      this.#tracker?.returning(head);
      Atomics.store(used, RING_INDEX, this.#nextUsed);
      this.#tracker?.returned(head, this.#nextUsed);
    }
    this.#onUsed?.();
  }
}

function checkWritten({ writable: { byteLength } }: ChainRequest, written: number): void {
  if (!(Number.isInteger(written) && written >= 0 && written <= byteLength)) {
    throw new RangeError(`a device cannot have written ${written} bytes into ${byteLength}`);
  }
}

/** The queue, to its requests. */
interface RequestOwner {
  complete(request: ChainRequest, written: number): void;
  giveBack(request: ChainRequest, written: number): void;
}

/** One request; the queue uses the object again for another when this one has completed. */
class ChainRequest implements TakenRequest {
  readonly readable = new Segments();
  readonly writable = new Segments();
  /** First descriptor of the chain; negative while there is none. */
  head = -1;
  /** See SplitVirtqueue.#taken. */
  order = 0;
  serial = 0;
  readonly #owner: RequestOwner;

  constructor(owner: RequestOwner) {
    this.#owner = owner;
  }

  complete(written: number): void {
    this.#checkHeld();
    this.#owner.complete(this, written);
  }

  giveBack(written = 0): void {
    this.#checkHeld();
    this.#owner.giveBack(this, written);
  }

  release(): void {
    this.head = -1;
    this.serial += 1;
    this.readable.clear();
    this.writable.clear();
  }

  #checkHeld(): void {
    if (this.head < 0) throw new Error('this request was completed before');
  }
}
