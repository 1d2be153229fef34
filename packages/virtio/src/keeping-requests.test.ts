/** Devices that keep requests until they have something to say: how their queues are stopped. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DeviceState } from './device-state.ts';
import { GuestMemory } from './guest-memory.ts';
import type { QueueIndices, RequestTracker } from './split-virtqueue.ts';
import { DATA, RawDriver, WRITE } from './testing/raw-driver.ts';
import { ReverseDevice } from './testing/reverse-device.ts';
import type { DriverLink, VirtioRequest } from './virtio-device.ts';

const SIZE = 8;

/** Keeps all requests, and gives back what it keeps when it is told to stop, the oldest first. */
class KeepingDevice extends ReverseDevice {
  readonly kept: VirtioRequest[] = [];
  readonly told: string[] = [];
  /** How many of those kept stay with the device when its queue stops. */
  working = 0;

  override activate(features: bigint, driver: DriverLink): void {
    super.activate(features, driver);
    this.told.push('activate');
  }

  startQueue(index: number): void {
    this.told.push(`start ${index}`);
  }

  stopQueue(index: number): void {
    this.told.push(`stop ${index}`);
    for (const request of this.kept.splice(this.working)) request.giveBack(1);
  }

  override handle(_queueIndex: number, request: VirtioRequest): void {
    this.kept.push(request);
  }

  override reset(): void {
    super.reset();
    this.told.push('reset');
  }

  /** Answers one of those kept. */
  answer(which: number): void {
    super.handle(0, this.kept.splice(which, 1)[0]!);
  }
}

/** What a tracker knows: the heads in flight. */
class Record implements RequestTracker {
  readonly heads = new Set<number>();
  taken(head: number): void {
    this.heads.add(head);
  }
  returning(): void {}
  returned(head: number): void {
    this.heads.delete(head);
  }
  givenBack(head: number): void {
    this.heads.delete(head);
  }
}

function started({ tracker, at = 0 }: { tracker?: Record | undefined; at?: number } = {}) {
  const device = new KeepingDevice([SIZE]);
  const driver = new RawDriver(SIZE, at);
  for (let head = 0; head < SIZE; head++) {
    driver.descriptor(head, { address: DATA + 16 * head, length: 4, flags: WRITE });
  }
  const told: string[] = [];
  const state = new DeviceState(device, new GuestMemory([driver.region]), {
    usedBuffers: () => told.push('used'),
    configChanged: () => told.push('config'),
    resetDone: () => told.push('reset'),
  });
  state.writeStatus(3);
  state.writeDriverFeatures(1n << 32n);
  state.writeStatus(11);
  /** Goes on; with a record, by that: what was taken and not used comes first, then what was not taken. */
  const start = (indices: QueueIndices) => {
    const resubmit = tracker && [...tracker.heads];
    const next = resubmit && { resubmit, availableIndex: (indices.usedIndex + resubmit.length) & 0xffff };
    if (next) assert.equal(next.availableIndex, indices.availableIndex, 'both say the same');
    state.enableQueue(0, driver.layout, { ...indices, ...(tracker && { tracker, ...next }) });
  };
  start({ availableIndex: at, usedIndex: at });
  state.writeStatus(15);
  const offer = (...heads: number[]) => {
    driver.offer(...heads);
    state.run(0);
  };
  /** Stops the queue. @returns where it stands, once it has stopped */
  const stop = () => {
    const result: { at?: QueueIndices | undefined } = {};
    state.stopQueue(0, (indices) => {
      result.at = indices;
    });
    return result;
  };
  const usedHeads = () =>
    Array.from({ length: (driver.usedIndex - at) & 0xffff }, (_, i) => driver.used((at + i) % SIZE));
  return { device, driver, state, told, start, offer, stop, usedHeads };
}

describe('a device that keeps requests', () => {
  it('is told of the start and the stop of its queues, and of a stop before a reset', () => {
    const { device, state, offer, stop, start } = started();
    assert.deepEqual(device.told, ['activate', 'start 0']);
    offer(0, 1);
    start(stop().at!);
    state.reset();
    assert.deepEqual(device.told.slice(2), ['stop 0', 'start 0', 'stop 0', 'reset']);
    assert.equal(state.status, 0, 'the reset waits for nothing');
    assert.equal(state.isBusy, false);
  });

  it('gives back what it keeps, which is offered again, in order, and nothing twice', () => {
    for (const at of [0, 65533]) {
      const { device, driver, state, offer, stop, start, usedHeads } = started({ at });
      offer(3, 1, 4, 0);
      device.answer(0);
      const stopped = stop();
      assert.deepEqual(stopped.at, { availableIndex: (at + 1) & 0xffff, usedIndex: (at + 1) & 0xffff });
      assert.equal(state.isQueueEnabled(0), false);
      start(stopped.at!);
      state.run(0);
      assert.equal(device.kept.length, 3);
      while (device.kept.length > 0) device.answer(0);
      assert.deepEqual(
        usedHeads().map(([head]) => head),
        [3, 1, 4, 0],
      );
      assert.equal(driver.usedIndex, (at + 4) & 0xffff);
    }
  });

  it('has what a later request has passed by used instead, with what it wrote', () => {
    const { device, told, offer, stop, usedHeads } = started();
    offer(3, 1, 4, 0);
    device.answer(2);
    told.length = 0;
    assert.deepEqual(stop().at, { availableIndex: 3, usedIndex: 3 });
    assert.deepEqual(usedHeads(), [
      [4, 0],
      [3, 1],
      [1, 1],
    ]);
    assert.ok(told.includes('used'), 'the driver is told');
  });

  it('leaves it in the record instead, where there is one', () => {
    const tracker = new Record();
    const { device, offer, stop, usedHeads } = started({ tracker });
    offer(3, 1, 4, 0);
    device.answer(2);
    assert.deepEqual(stop().at, { availableIndex: 3, usedIndex: 1 });
    assert.deepEqual(usedHeads(), [[4, 0]]);
    assert.deepEqual([...tracker.heads], [3, 1]);
  });

  it('may finish what it works on; the stop waits for that, and takes nothing more', () => {
    const { device, driver, state, offer, stop, usedHeads } = started();
    device.working = 1;
    offer(3, 1, 4);
    const stopped = stop();
    assert.equal(stopped.at, undefined);
    driver.offer(0);
    assert.equal(state.run(0), false, 'nothing is taken, and it is no reason to come again');
    assert.equal(state.isBusy, true);
    device.answer(0);
    assert.deepEqual(stopped.at, { availableIndex: 1, usedIndex: 1 });
    assert.deepEqual(usedHeads(), [[3, 0]]);
  });

  it('is reset while its stop is waited for', () => {
    const { device, state, told, offer, stop, usedHeads } = started();
    device.working = 1;
    offer(3, 1);
    const stopped = stop();
    state.reset();
    assert.notEqual(state.status, 0);
    device.answer(0);
    assert.equal(state.status, 0);
    assert.ok(told.includes('reset'));
    assert.deepEqual(usedHeads(), [], 'answers of an earlier life are dropped');
    assert.ok(stopped.at, 'who waits for the stop is told');
  });

  it('is told to stop when it breaks, be it by its own doing', () => {
    const { device, state, offer } = started();
    offer(3, 1, 9);
    assert.equal(state.brokenReason?.code, 'VIRTQUEUE_DESCRIPTOR_INDEX');
    assert.equal(device.kept.length, 0);
    assert.equal(state.isBusy, false);
    const own = started();
    own.device.handle = (_queue, request) => {
      own.device.kept.push(request);
      throw new Error('out of paper');
    };
    own.offer(2);
    assert.match(own.state.brokenReason!.message, /out of paper/);
    assert.equal(own.state.isBusy, false);
  });

  it('cannot give back what it was not told to, nor twice', () => {
    const { device, offer, stop } = started();
    offer(3);
    const [request] = device.kept;
    assert.throws(() => request!.giveBack(), /only when it stops/);
    stop();
    assert.throws(() => request!.giveBack(), /completed before/);
    assert.throws(() => request!.complete(0), /completed before/);
  });

  it('breaks if it fails to stop', () => {
    const { device, state, offer, stop } = started();
    offer(3);
    device.stopQueue = () => {
      throw new Error('jammed');
    };
    const stopped = stop();
    assert.match(state.brokenReason!.message, /jammed/);
    assert.equal(stopped.at, undefined);
    device.answer(0);
    assert.ok(stopped.at);
  });

  it('is offered every request until it is used, and none that is, however often it stops', () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('offer' as const), count: fc.integer({ min: 1, max: SIZE }) }),
      fc.record({ do: fc.constant('answer' as const), which: fc.nat(SIZE) }),
      fc.record({ do: fc.constant('restart' as const) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.nat(0xffff), fc.boolean(), (steps, at, records) => {
        const tracker = records ? new Record() : undefined;
        const { device, driver, state, start, stop } = started({ at, tracker });
        let seen = at;
        const free = Array.from({ length: SIZE }, (_, head) => head);
        const reap = () => {
          for (; seen !== driver.usedIndex; seen = (seen + 1) & 0xffff) {
            const [head] = driver.used(seen % SIZE);
            assert.ok(!free.includes(head), `head ${head} is used twice`);
            free.push(head);
          }
        };
        const all = [...steps, { do: 'restart' as const }];
        for (const next of all) {
          if (next.do === 'offer') {
            const heads = free.splice(0, next.count);
            driver.offer(...heads);
            state.run(0);
          } else if (next.do === 'answer') {
            if (device.kept.length > 0) device.answer(next.which % device.kept.length);
          } else {
            start(stop().at!);
            state.run(0);
          }
          reap();
          assert.equal(state.brokenReason, undefined);
          assert.equal(device.kept.length, SIZE - free.length, 'it has all that is not used');
        }
      }),
    );
  });
});
