import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { GuestMemory } from './guest-memory.ts';
import { SplitVirtqueue, type VirtqueueOptions } from './split-virtqueue.ts';
import { BASE, DATA, END, INDIRECT, NEXT, RawDriver, VIOLATIONS, WRITE } from './testing/raw-driver.ts';
import { VirtqueueError } from './virtio-error.ts';

function create(driver: RawDriver, options: Partial<VirtqueueOptions> = {}): SplitVirtqueue {
  const memory = new GuestMemory([driver.region]);
  return new SplitVirtqueue(memory, driver.layout, { indirect: true, eventIdx: false, ...options });
}

/** Takes chains until there are none; throws what the queue throws. */
function drain(queue: SplitVirtqueue): number {
  let taken = 0;
  while (queue.take() !== undefined) taken += 1;
  return taken;
}

describe('SplitVirtqueue', () => {
  it('hands out a chain and returns it through the used ring', () => {
    const driver = new RawDriver();
    driver.region.bytes.set([1, 2, 3, 4], DATA - BASE);
    driver.descriptor(5, { address: DATA, length: 2, flags: NEXT, next: 3 });
    driver.descriptor(3, { address: DATA + 2, length: 2, flags: NEXT, next: 1 });
    driver.descriptor(1, { address: DATA + 64, length: 8, flags: WRITE });
    driver.offer(5);
    const queue = create(driver);
    const request = queue.take()!;
    assert.deepEqual([...request.readable.toBytes()], [1, 2, 3, 4]);
    assert.equal(request.writable.byteLength, 8);
    request.writable.copyFrom(0, 2, Uint8Array.of(8, 9));
    assert.equal(driver.usedIndex, 0);
    request.complete(2);
    assert.equal(driver.usedIndex, 1);
    assert.deepEqual(driver.used(0), [5, 2]);
    assert.deepEqual([...driver.region.bytes.subarray(DATA + 64 - BASE, DATA + 66 - BASE)], [8, 9]);
    assert.equal(queue.take(), undefined);
    assert.equal(queue.inFlight, 0);
  });

  it('takes direct descriptors that end in an indirect table, at any alignment', () => {
    const driver = new RawDriver();
    const table = DATA + 0x1003;
    driver.descriptor(0, { address: DATA, length: 2, flags: NEXT, next: 1 });
    // The write-only flag of the descriptor that refers to the table is to be ignored.
    driver.descriptor(1, { address: table, length: 32, flags: INDIRECT | WRITE });
    driver.descriptor(0, { address: DATA + 2, length: 2, flags: NEXT, next: 1 }, table);
    driver.descriptor(1, { address: DATA + 64, length: 8, flags: WRITE }, table);
    driver.offer(0);
    const request = create(driver).take()!;
    assert.equal(request.readable.byteLength, 4);
    assert.equal(request.writable.byteLength, 8);
  });

  it('takes an indirect table that crosses from one region into the next', () => {
    const driver = new RawDriver();
    const table = DATA + 8;
    driver.descriptor(0, { address: table, length: 32, flags: INDIRECT });
    driver.descriptor(0, { address: END - 16, length: 16, flags: NEXT, next: 1 }, table);
    driver.descriptor(1, { address: END - 64, length: 3, flags: WRITE }, table);
    driver.offer(0);
    const { bytes } = driver.region;
    const split = DATA - BASE + 16;
    const memory = new GuestMemory([
      { base: BASE, bytes: bytes.subarray(0, split) },
      { base: BASE + split, bytes: bytes.subarray(split) },
    ]);
    const request = new SplitVirtqueue(memory, driver.layout, { indirect: true, eventIdx: false }).take()!;
    assert.equal(request.readable.byteLength, 16);
    assert.equal(request.writable.byteLength, 3);
  });

  it('goes on when the indices wrap at 65536', () => {
    const driver = new RawDriver(4, 65534);
    for (let i = 0; i < 4; i++) driver.descriptor(i, { address: DATA, length: 1 });
    const queue = create(driver, { availableIndex: 65534, usedIndex: 65534 });
    driver.offer(0, 1, 2, 3);
    for (let i = 0; i < 4; i++) queue.take()!.complete(0);
    assert.equal(driver.usedIndex, 2);
    assert.deepEqual(queue.indices, { availableIndex: 2, usedIndex: 2 });
    assert.deepEqual(
      [2, 3, 0, 1].map((slot) => driver.used(slot)[0]),
      [0, 1, 2, 3],
    );
  });

  for (const { name, code, commit } of VIOLATIONS) {
    it(`refuses ${name}`, () => {
      const driver = new RawDriver();
      const queue = create(driver);
      commit(driver);
      assert.throws(
        () => drain(queue),
        (error) => {
          assert.ok(error instanceof VirtqueueError);
          assert.equal(error.code, code);
          return true;
        },
      );
      assert.equal(driver.usedIndex, 0, 'nothing was answered');
    });
  }

  it('makes of any bytes in the rings either sound requests or an error', () => {
    const descriptor = fc.record({
      address: fc.oneof(fc.integer({ min: BASE - 64, max: END + 64 }), fc.bigInt(0n, 2n ** 64n - 1n)),
      length: fc.oneof(fc.nat(64), fc.constantFrom(16, 32, 48), fc.nat(2 ** 32 - 1)),
      flags: fc.oneof(fc.integer({ min: 0, max: 7 }), fc.constantFrom(0, NEXT, INDIRECT)),
      next: fc.oneof({ weight: 5, arbitrary: fc.nat(8) }, { weight: 1, arbitrary: fc.nat(65535) }),
    });
    const outcomes = { sound: 0, refused: 0 };
    fc.assert(
      fc.property(
        fc.array(descriptor, { minLength: 16, maxLength: 16 }),
        fc.array(fc.nat(8), { maxLength: 9 }),
        (descriptors, heads) => {
          const driver = new RawDriver();
          // Behind the queue's own descriptors lie those that an indirect table may be taken from.
          for (const [i, each] of descriptors.entries()) driver.descriptor(i, each);
          driver.offer(...heads);
          const queue = create(driver);
          try {
            for (let request = queue.take(); request !== undefined; request = queue.take()) {
              outcomes.sound += 1;
              for (const { byteLength, count, memory, offset, length } of [
                request.readable,
                request.writable,
              ]) {
                assert.ok(byteLength < 2 ** 32 && count <= 8);
                for (let i = 0; i < count; i++) assert.ok(offset[i]! + length[i]! <= memory[i]!.bytes.length);
              }
            }
          } catch (error) {
            assert.ok(error instanceof VirtqueueError);
            outcomes.refused += 1;
          }
        },
      ),
      { numRuns: 2000 },
    );
    assert.ok(outcomes.sound > 100 && outcomes.refused > 100, 'both happen');
  });

  it('refuses a chain of 2^32 bytes', () => {
    const driver = new RawDriver(32);
    const table = DATA + 0x4000;
    driver.descriptor(0, { address: table, length: 16 * 16, flags: INDIRECT });
    for (let i = 0; i < 16; i++) {
      driver.descriptor(i, { address: BASE, length: 2 ** 28, flags: i < 15 ? NEXT : 0, next: i + 1 }, table);
    }
    driver.offer(0);
    // A large memory of which only the first pages are ever touched.
    const large = new Uint8Array(2 ** 28);
    large.set(driver.region.bytes);
    const memory = new GuestMemory([{ base: BASE, bytes: large }]);
    const queue = new SplitVirtqueue(memory, driver.layout, { indirect: true, eventIdx: false });
    assert.throws(() => queue.take(), { code: 'VIRTQUEUE_TOO_MANY_BYTES' });
  });

  it('refuses indirect tables that were not negotiated', () => {
    const driver = new RawDriver();
    driver.descriptor(0, { address: DATA, length: 16, flags: INDIRECT });
    driver.offer(0);
    assert.throws(() => create(driver, { indirect: false }).take(), {
      code: 'VIRTQUEUE_INDIRECT_NOT_NEGOTIATED',
    });
  });

  it('allows longer chains where it is told to', () => {
    const driver = new RawDriver(2);
    driver.descriptor(0, { address: DATA, length: 4 * 16, flags: INDIRECT });
    for (let i = 0; i < 4; i++) {
      driver.descriptor(i, { address: DATA + 256, length: 4, flags: i < 3 ? NEXT : 0, next: i + 1 }, DATA);
    }
    driver.offer(0);
    assert.equal(create(driver, { maxChainLength: 4 }).take()?.readable.byteLength, 16);
  });

  it('refuses rings that are misaligned, outside of the memory, or of an impossible size', () => {
    const driver = new RawDriver();
    const cases = [
      [{ descriptorTable: BASE + 8 }, 'VIRTQUEUE_UNALIGNED'],
      [{ availableRing: BASE + 0x4001 }, 'VIRTQUEUE_UNALIGNED'],
      [{ usedRing: BASE + 0x6002 }, 'VIRTQUEUE_UNALIGNED'],
      [{ descriptorTable: END - 16 }, 'VIRTQUEUE_RING_OUTSIDE_MEMORY'],
      [{ availableRing: END - 20 }, 'VIRTQUEUE_RING_OUTSIDE_MEMORY'],
      [{ usedRing: 0 }, 'VIRTQUEUE_RING_OUTSIDE_MEMORY'],
      [{ usedRing: 2 ** 60 }, 'VIRTQUEUE_RING_OUTSIDE_MEMORY'],
      [{ size: 0 }, 'VIRTQUEUE_SIZE'],
      [{ size: 6 }, 'VIRTQUEUE_SIZE'],
      [{ size: 65536 }, 'VIRTQUEUE_SIZE'],
      [{ size: -8 }, 'VIRTQUEUE_SIZE'],
    ] as const;
    const memory = new GuestMemory([driver.region]);
    for (const [change, code] of cases) {
      const layout = { ...driver.layout, ...change };
      const attempt = () => new SplitVirtqueue(memory, layout, { indirect: true, eventIdx: true });
      assert.throws(attempt, { code }, JSON.stringify(change));
    }
  });

  it('reads every word of a descriptor once: what changes right after the read has no effect', (test) => {
    const driver = new RawDriver();
    const table = DATA + 0x1000;
    driver.descriptor(0, { address: DATA, length: 4, flags: NEXT, next: 1 });
    driver.descriptor(1, { address: table, length: 32, flags: INDIRECT });
    driver.descriptor(0, { address: DATA + 4, length: 4, flags: NEXT, next: 1 }, table);
    driver.descriptor(1, { address: DATA + 64, length: 8, flags: WRITE }, table);
    driver.offer(0);
    const queue = create(driver);
    const { getUint32 } = DataView.prototype;
    const reads: number[] = [];
    // The other side of a race that always wins: each word turns into garbage as soon as it was read.
    test.mock.method(DataView.prototype, 'getUint32', function (this: DataView, at: number, little: boolean) {
      const value = getUint32.call(this, at, little);
      reads.push(at);
      this.setUint32(at, 0xffffffff);
      return value;
    });
    const request = queue.take()!;
    test.mock.reset();
    assert.equal(new Set(reads).size, reads.length, 'a word was read twice');
    assert.equal(reads.length, 16, 'four descriptors of four words');
    assert.deepEqual([request.readable.offset[0], request.readable.byteLength], [DATA - BASE, 8]);
    assert.deepEqual([request.writable.offset[0], request.writable.byteLength], [DATA + 64 - BASE, 8]);
  });

  it('keeps to the descriptors it copied when they change while the request is in flight', () => {
    const driver = new RawDriver();
    driver.descriptor(0, { address: DATA, length: 4, flags: WRITE });
    driver.offer(0);
    const queue = create(driver);
    const request = queue.take()!;
    driver.descriptor(0, { address: 0, length: 0xffffffff, flags: INDIRECT | NEXT, next: 77 });
    request.writable.fill(9);
    request.complete(4);
    assert.equal(driver.region.bytes.filter((byte) => byte === 9).length, 4);
    assert.deepEqual(driver.used(0), [0, 4]);
  });

  it('refuses an answer longer than the writable part, and one given twice', () => {
    const driver = new RawDriver();
    driver.descriptor(0, { address: DATA, length: 4, flags: WRITE });
    driver.offer(0);
    const request = create(driver).take()!;
    for (const written of [5, -1, 0.5, Number.NaN])
      assert.throws(() => request.complete(written), RangeError);
    request.complete(4);
    assert.throws(() => request.complete(4), /before/);
    assert.equal(driver.usedIndex, 1);
  });

  it('asks for kicks and interrupts by the flags without EVENT_IDX', () => {
    const driver = new RawDriver();
    driver.descriptor(0, { address: DATA, length: 4 });
    const queue = create(driver);
    queue.suppressKicks();
    assert.equal(driver.usedFlags, 1);
    driver.offer(0);
    assert.equal(queue.allowKicks(), true, 'a buffer is there already');
    assert.equal(driver.usedFlags, 0);
    assert.equal(queue.wantsInterrupt(), false, 'nothing was used');
    queue.take()!.complete(0);
    assert.equal(queue.allowKicks(), false);
    assert.equal(queue.wantsInterrupt(), true);
    driver.availableFlags = 1;
    driver.offer(0);
    queue.take()!.complete(0);
    assert.equal(queue.wantsInterrupt(), false);
  });

  it('asks for kicks and interrupts by the event indices with EVENT_IDX', () => {
    const driver = new RawDriver();
    for (let i = 0; i < 8; i++) driver.descriptor(i, { address: DATA, length: 4 });
    const queue = create(driver, { eventIdx: true });
    driver.availableFlags = 1;
    driver.usedEvent = 1;
    driver.offer(0, 1, 2);
    queue.suppressKicks();
    assert.equal(driver.usedFlags, 0, 'the flag is not used');
    queue.take()!.complete(0);
    assert.equal(queue.wantsInterrupt(), false, 'index 0 was used, the driver waits for 1');
    queue.take()!.complete(0);
    assert.equal(queue.wantsInterrupt(), true);
    queue.take()!.complete(0);
    assert.equal(queue.wantsInterrupt(), false, 'it was told');
    assert.equal(queue.allowKicks(), false);
    assert.equal(driver.availableEvent, 3);
  });

  it('serves drivers with and without event indices where it does not know which it has', () => {
    for (const driverUsesEvents of [true, false]) {
      const driver = new RawDriver();
      const queue = create(driver, { eventIdx: 'unknown' });
      for (let i = 0; i < 4; i++) driver.descriptor(i, { address: DATA, length: 4 });
      driver.offer(0, 1);
      queue.suppressKicks();
      assert.equal(driver.usedFlags, 1);
      queue.take()!.complete(0);
      assert.equal(queue.wantsInterrupt(), true);
      queue.take()!.complete(0);
      // One without never moves the index; one with it leaves the flag alone.
      if (driverUsesEvents) driver.usedEvent = 5;
      assert.equal(queue.wantsInterrupt(), true);
      assert.equal(queue.allowKicks(), false);
      assert.deepEqual([driver.usedFlags, driver.availableEvent], [0, 2]);
      driver.offer(2);
      if (!driverUsesEvents) driver.availableFlags = 1;
      queue.take()!.complete(0);
      assert.equal(queue.wantsInterrupt(), driverUsesEvents);
    }
  });

  it('answers nothing after it was stopped, and says when nothing is under way any more', () => {
    const driver = new RawDriver();
    driver.descriptor(0, { address: DATA, length: 4 });
    driver.descriptor(1, { address: DATA, length: 4 });
    driver.offer(0, 1);
    const queue = create(driver);
    const requests = [queue.take()!, queue.take()!];
    let drained = 0;
    queue.stop();
    queue.whenDrained(() => {
      drained += 1;
    });
    requests[0]!.complete(0);
    assert.equal(drained, 0);
    requests[1]!.complete(0);
    assert.equal(drained, 1);
    assert.equal(driver.usedIndex, 0);
    assert.equal(queue.take(), undefined);
  });
});
