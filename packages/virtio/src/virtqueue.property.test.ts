/** The driver's side against the device's side: whatever is sent comes back, once, and answers the request. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DriverQueue, type GuestRange, indirectTablesSize } from './driver-queue.ts';
import { GuestMemory } from './guest-memory.ts';
import { ringSizes } from './split-ring.ts';
import { SplitVirtqueue } from './split-virtqueue.ts';
import type { VirtioRequest } from './virtio-device.ts';

const BASE = 0x40_0000;
/** Where rings end and buffers begin, by offset. */
const BUFFERS = 0x2_0000;
const SLOT = 1024;

interface Token {
  readonly slot: number;
  readonly sum: number;
  readonly writable: readonly GuestRange[];
}

const lengths = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 12 });
const steps = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('add' as const), readable: lengths, writable: lengths }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('take' as const) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('complete' as const), which: fc.nat(63) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('reap' as const) }) },
  ),
  { maxLength: 120 },
);
const setups = fc.record({
  size: fc.constantFrom(1, 2, 4, 8, 32),
  indirect: fc.boolean(),
  eventIdx: fc.boolean(),
  shared: fc.boolean(),
  split: fc.boolean(),
  index: fc.constantFrom(0, 1, 65530, 65535),
});
type Setup = typeof setups extends fc.Arbitrary<infer T> ? T : never;

/** Both sides of one queue, and what is on its way. */
class Pair {
  readonly driver: DriverQueue<Token>;
  readonly device: SplitVirtqueue;
  readonly taken: VirtioRequest[] = [];
  readonly #bytes: Uint8Array;
  readonly #freeSlots: number[];
  added = 0;
  answered = 0;
  kicks = 0;
  interrupts = 0;

  constructor({ size, indirect, eventIdx, shared, split, index }: Setup) {
    const length = BUFFERS + size * SLOT;
    this.#bytes = new Uint8Array(shared ? new SharedArrayBuffer(length) : new ArrayBuffer(length));
    this.#freeSlots = Array.from({ length: size }, (_, i) => i);
    const bytes = ringSizes(size);
    const usedRing = BASE + bytes.descriptorTable;
    const availableRing = usedRing + bytes.usedRing + 2;
    const tables = Math.ceil((availableRing + bytes.availableRing) / 16) * 16;
    assert.ok(tables + indirectTablesSize(size) <= BASE + BUFFERS);
    const layout = { size, descriptorTable: BASE, usedRing, availableRing };
    const region = { base: BASE, bytes: this.#bytes };
    this.driver = new DriverQueue(region, layout, {
      eventIdx,
      index,
      ...(indirect && { indirectTables: tables }),
    });
    // Buffers that cross from one region into another.
    const at = split ? BUFFERS + 528 : length - 16;
    const regions = [
      { base: BASE, bytes: this.#bytes.subarray(0, at) },
      { base: BASE + at, bytes: this.#bytes.subarray(at) },
    ];
    const options = { indirect, eventIdx, availableIndex: index, usedIndex: index };
    this.device = new SplitVirtqueue(new GuestMemory(regions), layout, options);
    this.device.allowKicks();
  }

  add(readableLengths: readonly number[], writableLengths: readonly number[]): void {
    const count = readableLengths.length + writableLengths.length;
    const slot = this.#freeSlots.at(-1);
    if (count === 0 || count > this.driver.layout.size || slot === undefined) return;
    let at = BASE + BUFFERS + slot * SLOT;
    const place = (length: number): GuestRange => {
      const range = { address: at, length };
      at += length + 1;
      return range;
    };
    const readable = readableLengths.map(place);
    const writable = writableLengths.map(place);
    let sum = 0;
    for (const { address, length } of readable) {
      for (let i = 0; i < length; i++) {
        const byte = (this.added * 31 + i) & 0xff;
        this.#bytes[address - BASE + i] = byte;
        sum += byte;
      }
    }
    if (!this.driver.add(readable, writable, { slot, sum: sum & 0xff, writable })) return;
    this.#freeSlots.pop();
    this.added += 1;
    if (this.driver.wantsKick()) this.kicks += 1;
  }

  take(): void {
    const request = this.device.take();
    if (request !== undefined) this.taken.push(request);
  }

  /** The device answers with the sum of all it read, in every byte. */
  complete(which: number): void {
    const [request] = this.taken.splice(which % Math.max(this.taken.length, 1), 1);
    if (request === undefined) return;
    const sum = request.readable.toBytes().reduce((total, byte) => total + byte, 0) & 0xff;
    request.writable.fill(sum);
    request.complete(request.writable.byteLength);
    if (this.device.wantsInterrupt()) this.interrupts += 1;
  }

  reap(): void {
    this.driver.reap((token, written) => {
      const answer = token.writable.flatMap(({ address, length }) => [
        ...this.#bytes.subarray(address - BASE, address - BASE + length),
      ]);
      assert.equal(written, answer.length);
      assert.ok(answer.every((byte) => byte === token.sum));
      this.#freeSlots.push(token.slot);
      this.answered += 1;
    });
  }

  step(step: typeof steps extends fc.Arbitrary<(infer T)[]> ? T : never): void {
    if (step.kind === 'add') this.add(step.readable, step.writable);
    else if (step.kind === 'take') this.take();
    else if (step.kind === 'complete') this.complete(step.which);
    else this.reap();
  }

  /** The device works off everything. */
  finish(): void {
    for (let left = this.driver.inFlight; left > 0; left--) this.take();
    while (this.taken.length > 0) this.complete(0);
    this.reap();
  }
}

describe('driver against device', () => {
  it('answers every request once, whatever the order', () => {
    fc.assert(
      fc.property(setups, steps, (setup, script) => {
        const pair = new Pair(setup);
        for (const step of script) pair.step(step);
        pair.finish();
        assert.equal(pair.answered, pair.added);
        assert.equal(pair.driver.inFlight, 0);
        assert.equal(pair.driver.free, setup.size);
        assert.equal(pair.device.inFlight, 0);
      }),
      { numRuns: 300 },
    );
  });

  it('never leaves a side asleep that asked to be woken', () => {
    const batches = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(setups, batches, (setup, script) => {
        const pair = new Pair(setup);
        for (const count of script) {
          // The device sleeps: the first of a batch must kick.
          assert.equal(pair.device.allowKicks(), false);
          pair.kicks = 0;
          pair.add([1], []);
          assert.equal(pair.kicks, 1);
          for (let i = 1; i < count; i++) pair.add([1], []);
          // The driver sleeps: the first answer must interrupt.
          assert.equal(pair.driver.enableInterrupts(), false);
          pair.interrupts = 0;
          pair.take();
          pair.complete(0);
          assert.equal(pair.interrupts, 1);
          if (setup.eventIdx) {
            assert.equal(pair.kicks, 1, 'one kick for a batch');
          }
          pair.finish();
          if (setup.eventIdx) assert.equal(pair.interrupts, 1, 'one interrupt for a batch');
        }
      }),
    );
  });

  it('goes around all 65536 indices', () => {
    const pair = new Pair({ size: 4, indirect: true, eventIdx: true, shared: true, split: false, index: 0 });
    for (let i = 0; i < 66_000; i++) {
      pair.add([3], [2]);
      if (i % 3 === 0) pair.finish();
    }
    pair.finish();
    assert.equal(pair.answered, pair.added);
    assert.equal(pair.added, 66_000);
  });
});
