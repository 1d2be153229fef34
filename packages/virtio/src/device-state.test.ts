import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DeviceState } from './device-state.ts';
import { GuestMemory } from './guest-memory.ts';
import type { QueueIndices } from './split-virtqueue.ts';
import { BASE, DATA, RawDriver, VIOLATIONS, WRITE } from './testing/raw-driver.ts';
import { ReverseDevice } from './testing/reverse-device.ts';
import type { VirtioDevice, VirtioRequest } from './virtio-device.ts';

const VERSION_1 = 1n << 32n;
const INDIRECT_DESC = 1n << 28n;
const EVENT_IDX = 1n << 29n;

/** Completes nothing before the end of a run, as a device does that carries out many requests together. */
class BatchingDevice extends ReverseDevice {
  readonly batch: VirtioRequest[] = [];

  override handle(_queueIndex: number, request: VirtioRequest): void {
    this.batch.push(request);
  }

  flush(queueIndex: number): void {
    for (const request of this.batch.splice(0)) super.handle(queueIndex, request);
  }
}

/** A device with a driver's hand on its status and on queue 0, of 8 descriptors. */
function create(device: VirtioDevice = new ReverseDevice([8])) {
  const driver = new RawDriver();
  const notified: string[] = [];
  const idle: boolean[] = [];
  const state = new DeviceState(device, new GuestMemory([driver.region]), {
    usedBuffers: (index) => notified.push(`used ${index}`),
    configChanged: () => notified.push('config'),
    resetDone: () => notified.push('reset'),
    idle: () => idle.push(state.isBusy),
  });
  const negotiate = (features = VERSION_1 | INDIRECT_DESC) => {
    state.writeStatus(1);
    state.writeStatus(3);
    state.writeDriverFeatures(features);
    state.writeStatus(11);
  };
  const start = () => {
    negotiate();
    state.enableQueue(0, driver.layout);
    state.writeStatus(15);
  };
  /** Offers a request of 4 bytes with room for 4; its answer, if there was one. */
  const roundTrip = () => {
    const before = driver.usedIndex;
    driver.region.bytes.set([1, 2, 3, 4], DATA - BASE);
    driver.descriptor(0, { address: DATA, length: 4, flags: 1, next: 1 });
    driver.descriptor(1, { address: DATA + 16, length: 4, flags: WRITE });
    driver.offer(0);
    state.run(0);
    if (driver.usedIndex === before) return undefined;
    return [...driver.region.bytes.subarray(DATA + 16 - BASE, DATA + 20 - BASE)];
  };
  return { device, driver, state, notified, idle, negotiate, start, roundTrip };
}

/** Stops queue 0. @returns where it stands, undefined if it has not stopped at once or was never enabled */
function stop(state: DeviceState): QueueIndices | undefined {
  let stoppedAt: QueueIndices | undefined;
  state.stopQueue(0, (indices) => {
    stoppedAt = indices;
  });
  return stoppedAt;
}

describe('DeviceState', () => {
  it('comes up in the order of the standard and serves requests', () => {
    const device = new ReverseDevice([8]);
    const { state, negotiate, driver, roundTrip, notified } = create(device);
    assert.equal(state.status, 0);
    assert.equal(state.offeredFeatures, 0b101n | VERSION_1 | INDIRECT_DESC | EVENT_IDX);
    negotiate(VERSION_1 | 1n);
    assert.equal(state.status, 11);
    state.enableQueue(0, driver.layout);
    assert.equal(device.activated, undefined);
    state.writeStatus(15);
    assert.equal(device.activated, VERSION_1 | 1n);
    assert.deepEqual(roundTrip(), [4, 3, 2, 1]);
    assert.deepEqual(notified, ['used 0']);
  });

  it('refuses FEATURES_OK for what it did not offer, and without VERSION_1', () => {
    for (const features of [VERSION_1 | 2n, VERSION_1 | (1n << 40n), VERSION_1 | (1n << 127n), 0n, 1n]) {
      const { state, negotiate } = create();
      negotiate(features);
      assert.equal(state.status, 3, `features ${features}`);
      assert.equal(state.brokenReason, undefined);
    }
  });

  it('lets the driver try other features after a refusal', () => {
    const { state, negotiate } = create();
    negotiate(0n);
    state.writeDriverFeatures(VERSION_1);
    state.writeStatus(11);
    assert.equal(state.status, 11);
  });

  const disorder: [string, string, (state: DeviceState) => void][] = [
    ['DRIVER before ACKNOWLEDGE', 'VIRTIO_STATUS', (state) => state.writeStatus(2)],
    ['FEATURES_OK before DRIVER', 'VIRTIO_STATUS', (state) => state.writeStatus(9)],
    ['DRIVER_OK before FEATURES_OK', 'VIRTIO_STATUS', (state) => state.writeStatus(7)],
    ['DRIVER_OK in spite of refused features', 'VIRTIO_STATUS', (state) => state.writeStatus(15)],
    [
      'a bit that is cleared',
      'VIRTIO_STATUS',
      (state) => {
        state.writeStatus(3);
        state.writeStatus(1);
      },
    ],
    [
      'a queue before FEATURES_OK',
      'VIRTIO_STATUS',
      (state) => {
        state.writeStatus(3);
        state.enableQueue(0, new RawDriver().layout);
      },
    ],
    [
      'a request before anything',
      'VIRTQUEUE_NOT_READY',
      (state) => {
        state.run(0);
      },
    ],
  ];
  for (const [name, code, misuse] of disorder) {
    it(`breaks at ${name}`, () => {
      const { state } = create();
      misuse(state);
      assert.equal(state.brokenReason?.code, code);
      assert.equal(state.status & 64, 64);
    });
  }

  it('breaks at features that change after FEATURES_OK', () => {
    const { state, negotiate } = create();
    negotiate();
    state.writeDriverFeatures(0n);
    assert.equal(state.brokenReason?.code, 'VIRTIO_FEATURES');
  });

  it('breaks at queues that do not exist, are enabled twice, or have an impossible layout', () => {
    const { layout } = new RawDriver();
    const attempts: [number, Partial<typeof layout>, string][] = [
      [1, {}, 'VIRTIO_QUEUE_INDEX'],
      [-1, {}, 'VIRTIO_QUEUE_INDEX'],
      [0, { size: 16 }, 'VIRTQUEUE_SIZE'],
      ...[0, 3, 5, 65535].map((size) => [0, { size }, 'VIRTQUEUE_SIZE'] as [number, object, string]),
      [0, { usedRing: 2 }, 'VIRTQUEUE_UNALIGNED'],
      [0, { usedRing: 0 }, 'VIRTQUEUE_RING_OUTSIDE_MEMORY'],
    ];
    for (const [index, change, code] of attempts) {
      const { state, negotiate } = create();
      negotiate();
      state.enableQueue(index, { ...layout, ...change });
      assert.equal(state.brokenReason?.code, code);
    }
    const { state, start } = create();
    start();
    state.enableQueue(0, layout);
    assert.equal(state.brokenReason?.code, 'VIRTIO_STATUS');
  });

  it('is not made for a device with queues of sizes that cannot be', () => {
    for (const size of [0, 3, 65535, 65536, 0.5, -8]) {
      const memory = new GuestMemory([new RawDriver().region]);
      const notify = { usedBuffers() {}, configChanged() {} };
      assert.throws(() => new DeviceState(new ReverseDevice([8, size]), memory, notify), RangeError);
    }
  });

  it('breaks at requests before the queue is enabled, or before DRIVER_OK', () => {
    const early = create();
    early.negotiate();
    early.state.enableQueue(0, early.driver.layout);
    assert.equal(early.roundTrip(), undefined);
    assert.equal(early.state.brokenReason?.code, 'VIRTQUEUE_NOT_READY');

    const absent = create();
    absent.negotiate();
    absent.state.writeStatus(15);
    assert.equal(absent.roundTrip(), undefined);
    assert.equal(absent.state.brokenReason?.code, 'VIRTQUEUE_NOT_READY');
  });

  for (const { name, code, commit } of VIOLATIONS) {
    it(`breaks at ${name}, and no other device does`, () => {
      // A device that keeps what it gets, so that a head can still be in flight.
      const kept: VirtioRequest[] = [];
      const device = new ReverseDevice([8]);
      device.handle = (_queueIndex, request) => {
        kept.push(request);
      };
      const victim = create(device);
      const neighbour = create();
      victim.start();
      neighbour.start();
      commit(victim.driver);
      victim.state.run(0);
      assert.equal(victim.state.brokenReason?.code, code);
      assert.ok(victim.state.brokenReason.message.length > 20, 'the reason can be read');
      assert.equal(victim.state.status, 15 | 64);
      assert.deepEqual(victim.notified, ['config']);
      assert.equal(victim.state.run(0), false, 'it does no more');
      assert.deepEqual(neighbour.roundTrip(), [4, 3, 2, 1]);
      for (const request of kept) request.complete(0);
      assert.equal(victim.driver.usedIndex, 0, 'answers are dropped');
    });
  }

  it('works again after a reset', () => {
    const device = new ReverseDevice([8]);
    const { state, start, driver, roundTrip } = create(device);
    start();
    driver.offer(9);
    state.run(0);
    assert.ok(state.brokenReason);
    state.writeStatus(0);
    assert.equal(state.status, 0);
    assert.equal(state.brokenReason, undefined);
    assert.equal(device.resets, 1);
    driver.availableIndex = 0;
    start();
    assert.deepEqual(roundTrip(), [4, 3, 2, 1]);
  });

  it('breaks when the device throws or rejects, and says why', async () => {
    const throwing = new ReverseDevice([8]);
    throwing.handle = () => {
      throw new Error('out of paper');
    };
    const first = create(throwing);
    first.start();
    assert.equal(first.roundTrip(), undefined);
    assert.match(first.state.brokenReason!.message, /out of paper/);
    assert.equal(first.state.brokenReason?.code, 'VIRTIO_DEVICE_FAILED');

    const rejecting = new ReverseDevice([8]);
    const failure = Promise.withResolvers<void>();
    rejecting.handle = () => failure.promise;
    const second = create(rejecting);
    second.start();
    assert.equal(second.roundTrip(), undefined);
    assert.equal(second.state.isBusy, true);
    failure.reject(new Error('out of ink'));
    while (second.state.isBusy) await null;
    assert.match(second.state.brokenReason!.message, /out of ink/);
    assert.deepEqual(second.notified, ['config']);
  });

  it('finishes a reset when the last request under way is complete', () => {
    const kept: VirtioRequest[] = [];
    const device = new ReverseDevice([8]);
    device.handle = (_queueIndex, request) => {
      kept.push(request);
    };
    const { state, start, roundTrip, notified, driver } = create(device);
    start();
    roundTrip();
    state.writeStatus(0);
    assert.equal(device.resets, 1);
    assert.notEqual(state.status, 0, 'the device may still write into the memory');
    assert.deepEqual(notified, []);
    kept[0]!.complete(0);
    assert.equal(state.status, 0);
    assert.deepEqual(notified, ['reset']);
    assert.equal(driver.usedIndex, 0);
  });

  it('does not wait in a reset for a request that failed', async () => {
    const device = new ReverseDevice([8]);
    const failure = Promise.withResolvers<void>();
    device.handle = () => failure.promise;
    const { state, start, roundTrip, notified } = create(device);
    start();
    roundTrip();
    state.writeStatus(0);
    assert.notEqual(state.status, 0);
    failure.reject(new Error('too late to matter'));
    while (state.isBusy) await null;
    assert.equal(state.status, 0);
    assert.equal(state.brokenReason, undefined);
    assert.deepEqual(notified, ['reset']);
  });

  it('completes requests later, out of order, and notifies of each', () => {
    const kept: VirtioRequest[] = [];
    const device = new ReverseDevice([8]);
    device.handle = (_queueIndex, request) => {
      kept.push(request);
    };
    const { state, start, driver, notified } = create(device);
    start();
    driver.descriptor(0, { address: DATA, length: 4, flags: WRITE });
    driver.descriptor(1, { address: DATA, length: 4, flags: WRITE });
    driver.offer(0, 1);
    state.run(0);
    kept[1]!.complete(3);
    kept[0]!.complete(4);
    assert.deepEqual(
      [driver.used(0), driver.used(1)],
      [
        [1, 3],
        [0, 4],
      ],
    );
    assert.deepEqual(notified, ['used 0', 'used 0']);
  });

  it('says when it has nothing under way any more', async () => {
    const device = new ReverseDevice([8]);
    const work = Promise.withResolvers<void>();
    const reverse = device.handle.bind(device);
    device.handle = async (index, request) => {
      await work.promise;
      await reverse(index, request);
    };
    const { start, roundTrip, state, idle, notified } = create(device);
    start();
    assert.equal(roundTrip(), undefined);
    assert.equal(state.isBusy, true);
    assert.deepEqual(idle, []);
    work.resolve();
    while (state.isBusy) await null;
    assert.deepEqual(idle, [false]);
    assert.deepEqual(notified, ['used 0']);
  });

  it('takes at most a queue full of requests at once', () => {
    const { state, start, driver } = create();
    start();
    driver.descriptor(0, { address: DATA, length: 4 });
    driver.offer(0);
    const original = state.device.handle.bind(state.device);
    let handled = 0;
    state.device.handle = (index, request) => {
      handled += 1;
      const result = original(index, request);
      driver.offer(0);
      return result;
    };
    assert.equal(state.run(0), true);
    assert.equal(handled, 8);
    assert.equal(state.run(0), true);
    assert.equal(handled, 16);
  });

  it('stops one queue and resumes it where it stood', () => {
    const { state, start, driver, roundTrip } = create();
    start();
    roundTrip();
    const indices = stop(state);
    assert.deepEqual(indices, { availableIndex: 1, usedIndex: 1 });
    assert.equal(state.isQueueEnabled(0), false);
    assert.deepEqual(stop(state), indices, 'stopping twice');
    state.enableQueue(0, driver.layout, indices);
    assert.deepEqual(roundTrip(), [4, 3, 2, 1]);
    assert.equal(driver.usedIndex, 2);
  });

  it('finds the rings in a new memory table, or breaks if they are not there', () => {
    const driver = new RawDriver();
    const memory = new GuestMemory([driver.region]);
    const state = new DeviceState(new ReverseDevice([8]), memory, { usedBuffers() {}, configChanged() {} });
    state.writeStatus(3);
    state.writeDriverFeatures(VERSION_1);
    state.writeStatus(11);
    state.enableQueue(0, driver.layout);
    state.writeStatus(15);
    const moved = new RawDriver();
    memory.replace([moved.region]);
    state.memoryChanged();
    moved.descriptor(0, { address: DATA, length: 4 });
    moved.offer(0);
    state.run(0);
    assert.equal(moved.usedIndex, 1);
    memory.replace([{ base: 0, bytes: new Uint8Array(64) }]);
    state.memoryChanged();
    assert.equal(state.brokenReason?.code, 'VIRTQUEUE_RING_OUTSIDE_MEMORY');
  });

  it('breaks, and does not throw, when memory vanishes under it', () => {
    const { state, start, driver } = create();
    start();
    driver.descriptor(0, { address: DATA, length: 4 });
    driver.offer(0);
    structuredClone(driver.region.bytes.buffer, { transfer: [driver.region.bytes.buffer as ArrayBuffer] });
    state.run(0);
    assert.match(state.brokenReason!.message, /queue 0 cannot be read/);
  });

  it('reads and writes the configuration space within its bounds', () => {
    const { state } = create();
    assert.deepEqual([...state.readConfig(2, 3)], [3, 4, 5]);
    state.writeConfig(3, Uint8Array.of(9, 9));
    assert.deepEqual([...state.readConfig(0, 8)], [1, 2, 3, 4, 9, 6, 7, 8]);
    for (const [offset, length] of [
      [-1, 1],
      [8, 1],
      [0, 9],
      [7, 2],
      [0.5, 1],
      [2 ** 32, 0],
    ] as const) {
      assert.throws(() => state.readConfig(offset, length), { code: 'VIRTIO_CONFIG_BOUNDS' });
    }
    assert.throws(() => state.writeConfig(7, new Uint8Array(2)), { code: 'VIRTIO_CONFIG_BOUNDS' });
  });

  it('counts a generation for each change of the configuration space', () => {
    const device = new ReverseDevice([8]);
    const { state, start, notified } = create(device);
    const before = state.configGeneration;
    assert.equal(state.configGeneration, before);
    device.config[0] = 77;
    assert.equal(state.configGeneration, before + 1);
    start();
    assert.deepEqual(notified, []);
  });

  it('notifies the driver of a change by the device, that driver and no other', () => {
    const device = new ReverseDevice([8]);
    const { state, start, notified } = create(device);
    start();
    const first = device.driver!;
    first.configChanged();
    assert.deepEqual(notified.splice(0), ['config']);
    state.writeStatus(0);
    first.configChanged();
    start();
    first.configChanged();
    assert.deepEqual(notified, ['reset']);
    device.driver!.configChanged();
    assert.deepEqual(notified, ['reset', 'config']);
  });

  it('does nothing more once the driver has given up', () => {
    const { state, start, roundTrip } = create();
    start();
    state.writeStatus(15 | 128);
    assert.equal(roundTrip(), undefined);
    assert.equal(state.brokenReason, undefined);
    state.writeStatus(0);
    assert.equal(state.status, 0);
  });

  it('refuses a device that cannot be', () => {
    const offers = (features: bigint, size: number) => {
      const device = new ReverseDevice([size]);
      Object.defineProperty(device, 'features', { value: features });
      return () => create(device);
    };
    assert.throws(offers(1n << 24n, 8), RangeError);
    assert.throws(offers(1n << 32n, 8), RangeError);
    assert.throws(offers(1n << 128n, 8), RangeError);
    assert.throws(offers(0n, 12), RangeError);
    assert.doesNotThrow(offers((1n << 23n) | (1n << 50n) | (1n << 127n), 32768));
  });

  it('resets and closes the device', async () => {
    const device = new ReverseDevice([8]);
    const { state, start } = create(device);
    start();
    await state.close();
    assert.equal(device.resets, 1);
    assert.equal(device.closed, true);
    assert.equal(state.status, 0);
  });

  it('flushes a run that the driver broke, so that nothing of it is under way and a reset completes', () => {
    const device = new BatchingDevice([8]);
    const { state, driver, start, roundTrip, notified } = create(device);
    start();
    assert.deepEqual(roundTrip(), [4, 3, 2, 1]);
    driver.descriptor(0, { address: DATA, length: 4, flags: 1, next: 1 });
    driver.descriptor(1, { address: DATA + 16, length: 4, flags: WRITE });
    driver.offer(0);
    driver.offer(9);
    state.run(0);
    assert.equal(state.brokenReason?.code, 'VIRTQUEUE_DESCRIPTOR_INDEX');
    assert.equal(device.batch.length, 0);
    assert.equal(state.isBusy, false);
    state.reset();
    assert.equal(state.status, 0);
    assert.equal(notified.at(-1), 'reset');
  });
});
