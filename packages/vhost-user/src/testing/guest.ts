/**
 * A back end and a front end in one thread: each waits for the other by letting it run. So what happens, and
 * when, is the test's to say.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DriverQueue, type QueueLayout, RING_FEATURES } from '@skytale/virtio';
import { PROTOCOL_FEATURES } from '../attachment.ts';
import { type BackendOptions, VhostUserBackend } from '../backend.ts';
import type { BackendEvent } from '../backend-events.ts';
import { FrontEnd, FrontMemory, type FrontRing } from '../frontend.ts';
import { EchoDevice } from './echo-device.ts';

export const GUEST_BASE = 0x100000;
const MEMORY_SIZE = 0x100000;

/** Where ring `index` lies, of as many descriptors as the echo device's rings can have. */
export function layoutOf(index: number): QueueLayout {
  const base = GUEST_BASE + index * 0x4000;
  return {
    size: index === 0 ? 64 : 16,
    descriptorTable: base,
    availableRing: base + 0x1000,
    usedRing: base + 0x2000,
  };
}

/** A back end that runs when it is told to. */
export class TestBackend implements AsyncDisposable {
  readonly device: EchoDevice;
  readonly backend: VhostUserBackend;
  readonly events: BackendEvent[] = [];
  readonly socket: string;
  #stopped = false;
  readonly #directory = mkdtempSync(join(tmpdir(), 'vhost-user-'));

  constructor(options: Omit<BackendOptions, 'socket' | 'onEvent'> = {}, device = new EchoDevice()) {
    this.device = device;
    this.socket = join(this.#directory, 'socket');
    this.backend = new VhostUserBackend(device, {
      ...options,
      socket: this.socket,
      onEvent: (event) => this.events.push(event),
    });
  }

  /** Lets the back end do all that there is to do. */
  readonly settle = (): void => {
    if (this.#stopped) return;
    for (let i = 0; i < 20; i++) this.backend.step(0);
  };

  connect(): FrontEnd {
    return FrontEnd.connect(this.socket, { idle: this.settle, timeout: 2000 });
  }

  last(event: BackendEvent['event']): BackendEvent | undefined {
    return this.events.findLast((candidate) => candidate.event === event);
  }

  /** Ends the back end as the death of its process would. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.backend[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#stopped) await this.stop();
    rmSync(this.#directory, { recursive: true });
  }
}

/** A front end with memory and, after `start`, a driver's queue. */
export class Guest implements Disposable {
  readonly backend: TestBackend;
  readonly front: FrontEnd;
  readonly memory = new FrontMemory(MEMORY_SIZE, GUEST_BASE);
  queue!: DriverQueue<number>;
  ring: FrontRing | undefined;
  #sent = 0;

  constructor(backend: TestBackend, protocolFeatures = PROTOCOL_FEATURES) {
    this.backend = backend;
    this.front = backend.connect();
    this.front.negotiate(protocolFeatures);
  }

  /** Everything up to a ring that runs. */
  start(features = RING_FEATURES, eventIdx = true): this {
    this.front.setFeatures(features);
    this.front.setMemory([this.memory]);
    this.queue = new DriverQueue(this.memory.guestRegion, layoutOf(0), { eventIdx });
    this.ring = this.front.startRing(0, layoutOf(0));
    return this;
  }

  /** Sends a text. Each request has 256 bytes of its own, for one text and its echo. */
  send(text: string): void {
    const slot = this.#sent++ % 64;
    const address = GUEST_BASE + 0x20000 + slot * 256;
    const bytes = new TextEncoder().encode(text);
    this.memory.guestRegion.bytes.set(bytes, address - GUEST_BASE);
    this.queue.add([{ address, length: bytes.length }], [{ address: address + 128, length: 128 }], slot);
    if (this.queue.wantsKick()) this.ring?.kick.signal();
  }

  /** Takes what has been answered. */
  receive(): string[] {
    this.backend.settle();
    const texts: string[] = [];
    this.queue.reap((slot, written) => {
      const start = 0x20000 + slot * 256 + 128;
      texts.push(new TextDecoder().decode(this.memory.guestRegion.bytes.slice(start, start + written)));
    });
    this.queue.enableInterrupts();
    return texts;
  }

  /** Dies: nothing is said to the back end. */
  [Symbol.dispose](): void {
    this.ring?.[Symbol.dispose]();
    this.front[Symbol.dispose]();
    this.memory[Symbol.dispose]();
    this.backend.settle();
  }
}
