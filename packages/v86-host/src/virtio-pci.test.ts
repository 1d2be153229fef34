import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type DriverLink,
  type SavableDevice,
  VIRTIO_F_RING_RESET,
  type VirtioDevice,
  type VirtioRequest,
} from '@skytale/virtio';
import fc from 'fast-check';
import { BASE, COMMON, PciTransport, structuresOf, TestFunction } from './testing/pci-transport.ts';
import { unsavable } from './unsavable-device.ts';
import { V86Error } from './v86-error.ts';

/** It answers with the bytes in reverse, at once or when `release` is called. */
class ReverseDevice implements VirtioDevice {
  readonly deviceId: number = 42;
  readonly features: bigint = 0b101n | (1n << 60n);
  readonly queueSizes = [8, 64];
  readonly config = Uint8Array.of(1, 2, 3, 4, 5, 6);
  activated: bigint | undefined;
  driver: DriverLink | undefined;
  held: (() => void)[] | undefined;

  activate(features: bigint, driver: DriverLink): void {
    this.activated = features;
    this.driver = driver;
  }

  writeConfig(offset: number, bytes: Uint8Array): void {
    this.config.set(bytes, offset);
  }

  handle(_queueIndex: number, request: VirtioRequest): void {
    const answer = () => {
      const bytes = request.readable.toBytes().reverse().subarray(0, request.writable.byteLength);
      request.writable.copyFrom(0, bytes.length, bytes);
      request.complete(bytes.length);
    };
    if (this.held === undefined) answer();
    else this.held.push(answer);
  }

  reset(): void {
    this.activated = undefined;
  }
  close(): void {}
}

const bytes = (...values: number[]) => Uint8Array.from(values);

async function started<Device extends ReverseDevice>(device = new ReverseDevice() as Device) {
  const fn = new TestFunction(device);
  const driver = new PciTransport(fn);
  await driver.start();
  return { device, fn, driver };
}

describe('the configuration space', () => {
  const { configSpace } = new TestFunction(new ReverseDevice());

  it('identifies the device as 4.1.2 has it', () => {
    const view = new DataView(configSpace.bytes.buffer);
    assert.deepEqual([view.getUint16(0, true), view.getUint16(2, true)], [0x1af4, 0x1040 + 42]);
    assert.ok(view.getUint8(8) >= 1 && view.getUint16(0x2e, true) >= 0x40); // no legacy driver takes it
    assert.equal(view.getUint16(6, true) & 0x10, 0x10);
    assert.equal(view.getUint32(0x10, true), 0x1001);
    assert.equal(view.getUint8(0x3d), 1);
  });

  it('has a capability for each structure, apart from each other in one BAR', () => {
    const structures = structuresOf(configSpace.bytes);
    assert.deepEqual([...structures.keys()].sort(), [1, 2, 3, 4, 5]);
    const inBar = [1, 2, 3, 4].map((type) => structures.get(type)!).sort((a, b) => a.offset - b.offset);
    let end = 0;
    for (const { bar, offset, length } of inBar) {
      assert.ok(bar === 0 && offset >= end && length > 0);
      end = offset + length;
    }
    assert.ok(end <= configSpace.barSize);
    assert.equal(Math.log2(configSpace.barSize) % 1, 0);
    assert.equal(structures.get(4)!.length, 6);
  });

  it('has no structure for a configuration space that is not there', () => {
    class Plain extends ReverseDevice {
      override readonly config = new Uint8Array(0);
    }
    assert.ok(!structuresOf(new TestFunction(new Plain()).configSpace.bytes).has(4));
  });

  it('is refused to devices that it cannot carry', () => {
    class Far extends ReverseDevice {
      override readonly deviceId = 64;
    }
    class Large extends ReverseDevice {
      override readonly config = new Uint8Array(5000);
    }
    for (const device of [new Far(), new Large()]) assert.throws(() => new TestFunction(device), RangeError);
  });
});

describe('a driver', () => {
  it('negotiates and is served, with every choice of ring features', async () => {
    for (const ringFeatures of [0n, 1n << 28n, 1n << 29n, 3n << 28n]) {
      const { device, fn, driver } = await started();
      await driver.start({ features: 1n | (1n << 60n), ringFeatures });
      assert.equal(device.activated, 1n | (1n << 60n) | (1n << 32n) | ringFeatures);
      for (let i = 0; i < 300; i++)
        assert.deepEqual(await driver.queues[i % 2]!.request(bytes(1, 2, i), 3), bytes(i, 2, 1));
      assert.ok(!fn.level); // the last interrupt was taken back
      await driver.close();
    }
  });

  it('reads and writes the device configuration in any width, and not beyond it', async () => {
    const { device, fn, driver } = await started();
    assert.deepEqual(await driver.readConfig(0, 6), bytes(1, 2, 3, 4, 5, 6));
    const { offset } = structuresOf(fn.configSpace.bytes).get(4)!;
    assert.deepEqual([fn.readBar(offset, 4), fn.readBar(offset + 2, 2)], [0x04030201, 0x0403]);
    assert.deepEqual([fn.readBar(offset + 4, 4), fn.readBar(offset + 6, 1)], [0x0605, 0]); // the rest reads 0
    const generation = fn.readCommon(COMMON.generation, 1);
    await driver.writeConfig(4, bytes(9));
    fn.writeBar(offset + 4, 4, 0x77777777); // reaches beyond: nothing is written
    assert.deepEqual([...device.config], [1, 2, 3, 4, 9, 6]);
    assert.notEqual(fn.readCommon(COMMON.generation, 1), generation);
    device.config[0] = 200;
    let changes = 0;
    using _listening = driver.onConfigChange(() => {
      changes += 1;
    });
    device.driver!.configChanged();
    assert.ok(fn.level);
    await null;
    assert.deepEqual([changes, fn.level], [1, false]);
    fn.onInterrupt = () => {};
    device.driver!.configChanged();
    assert.equal(fn.readBar(structuresOf(fn.configSpace.bytes).get(3)!.offset, 1), 2);
    assert.ok(!fn.level);
  });

  it('finds no queue where there is none', () => {
    const fn = new TestFunction(new ReverseDevice());
    fn.writeCommon(COMMON.queueSelect, 2, 2);
    for (const [offset, width] of [
      [COMMON.queueSize, 2],
      [COMMON.queueEnable, 2],
      [COMMON.queueDesc, 4],
    ] as const) {
      fn.writeCommon(offset, width, 1);
      assert.equal(fn.readCommon(offset, width), 0);
    }
    assert.equal(fn.state.brokenReason, undefined);
  });

  it('breaks at a queue of a size that cannot be', () => {
    for (const size of [0, 3, 16, 65535]) {
      const fn = new TestFunction(new ReverseDevice());
      for (const status of [1, 3]) fn.writeCommon(COMMON.status, 1, status);
      fn.writeFeatures(1n << 32n);
      fn.writeCommon(COMMON.status, 1, 11);
      fn.layOutQueue(0, { size, descriptorTable: BASE, availableRing: BASE + 64, usedRing: BASE + 128 });
      assert.equal(fn.readCommon(COMMON.queueEnable, 2), 0);
      assert.equal(fn.state.brokenReason?.code, 'VIRTQUEUE_SIZE');
    }
  });

  it('resets a queue alone, and lays it out anew (2.6.1)', async () => {
    const { device, fn, driver } = await started();
    assert.ok((fn.readFeatures() & VIRTIO_F_RING_RESET) !== 0n);
    device.held = [];
    const lost = driver.queues[0]!.request(bytes(1), 1);
    lost.catch(() => {}); // rejected when the test ends
    fn.writeCommon(COMMON.queueSelect, 2, 0);
    fn.writeCommon(COMMON.queueReset, 2, 1);
    assert.equal(fn.readCommon(COMMON.queueReset, 2), 1); // until the device lets go of the request
    fn.writeCommon(COMMON.queueEnable, 2, 1);
    assert.equal(fn.readCommon(COMMON.queueEnable, 2), 0);
    device.held[0]!();
    assert.equal(fn.readCommon(COMMON.queueReset, 2), 0);
    assert.deepEqual([fn.readCommon(COMMON.queueSize, 2), fn.readCommon(COMMON.queueDesc, 4)], [8, 0]);
    device.held = undefined;
    assert.deepEqual(await driver.queues[1]!.request(bytes(1, 2), 2), bytes(2, 1)); // the other went on
    fn.layOutQueue(0, { size: 4, descriptorTable: BASE, availableRing: BASE + 64, usedRing: BASE + 128 });
    assert.equal(fn.readCommon(COMMON.queueEnable, 2), 1);
    assert.equal(fn.state.brokenReason, undefined);
    await driver.close();
  });

  it('sees a status of 0 only when nothing is under way any more', async () => {
    const { device, fn, driver } = await started();
    device.held = [];
    driver.queues[0]!.request(bytes(1), 1).catch(() => {});
    fn.writeCommon(COMMON.status, 1, 0);
    assert.notEqual(fn.readCommon(COMMON.status, 1), 0);
    device.held[0]!();
    assert.equal(fn.readCommon(COMMON.status, 1), 0);
    assert.ok(!fn.level);
  });

  it('reaches the BAR through the configuration access capability (4.1.4.9)', () => {
    const fn = new TestFunction(new ReverseDevice());
    const config = fn.configSpace.bytes.slice();
    const view = new DataView(config.buffer);
    const { capability } = structuresOf(config).get(5)!;
    const point = (bar: number, offset: number, length: number) => {
      view.setUint8(capability + 4, bar);
      view.setUint32(capability + 8, offset, true);
      view.setUint32(capability + 12, length, true);
    };
    point(0, COMMON.status, 1);
    fn.writeWindow(config, 1, 3);
    assert.deepEqual([fn.readWindow(config, 1), fn.state.status], [3, 3]);
    const nothing: [number, number, number, number][] = [
      [1, COMMON.status, 1, 1], // no such BAR
      [0, COMMON.status, 1, 4], // another width than was said
      [0, COMMON.numQueues + 1, 2, 2], // not aligned
      [0, fn.configSpace.barSize, 4, 4],
      [0, 0xffff_fffc, 4, 4],
      [0, COMMON.status, 3, 3],
    ];
    for (const [bar, offset, length, width] of nothing) {
      point(bar, offset, length);
      fn.writeWindow(config, width, 0);
      assert.equal(fn.readWindow(config, width), 0);
    }
    assert.equal(fn.state.status, 3);
  });
});

describe('a hostile driver', () => {
  const breaks: [string, (fn: TestFunction) => void, string][] = [
    ['a size that is no power of two', (fn) => fn.layOutQueue(0, { ...layout, size: 3 }), 'VIRTQUEUE_SIZE'],
    ['a size of 0', (fn) => fn.layOutQueue(0, { ...layout, size: 0 }), 'VIRTQUEUE_SIZE'],
    ['a size too large', (fn) => fn.layOutQueue(0, { ...layout, size: 0x8000 }), 'VIRTQUEUE_SIZE'],
    ...([2 ** 32, 2 ** 63, 2 ** 64 - 4096, 0] as const).map(
      (address): [string, (fn: TestFunction) => void, string] => [
        `a ring at ${address}`,
        (fn) => fn.layOutQueue(0, { ...layout, usedRing: address }),
        'VIRTQUEUE_RING_OUTSIDE_MEMORY',
      ],
    ),
  ];
  const layout = { size: 8, descriptorTable: BASE, availableRing: BASE + 4096, usedRing: BASE + 8192 };

  for (const [name, commit, code] of breaks) {
    it(`breaks its device with ${name}`, async () => {
      const fn = new TestFunction(new ReverseDevice());
      for (const status of [1, 3]) fn.writeCommon(COMMON.status, 1, status);
      fn.writeFeatures(1n << 32n);
      fn.writeCommon(COMMON.status, 1, 11);
      commit(fn);
      assert.equal(fn.state.brokenReason?.code, code);
      assert.equal(fn.readCommon(COMMON.status, 1) & 64, 64);
      const driver = new PciTransport(fn);
      await driver.start();
      assert.deepEqual(await driver.queues[0]!.request(bytes(1, 2), 2), bytes(2, 1));
      await driver.close();
    });
  }

  it('is not given features that were not offered', () => {
    for (const feature of [1n << 1n, 1n << 33n, 1n << 127n]) {
      const fn = new TestFunction(new ReverseDevice());
      for (const status of [1, 3]) fn.writeCommon(COMMON.status, 1, status);
      fn.writeFeatures((1n << 32n) | feature);
      fn.writeCommon(COMMON.status, 1, 11);
      assert.equal(fn.readCommon(COMMON.status, 1) & 8, 0);
    }
  });

  const access = fc.record({
    offset: fc.oneof(fc.constantFrom(...Object.values(COMMON), 0x40, 0x44, 0x48), fc.nat(0x200)),
    width: fc.constantFrom(1, 2, 4),
    value: fc.oneof(
      fc.constantFrom(0, 1, 3, 8, 11, 15, 64, 0xffff),
      fc.integer({ min: -(2 ** 31), max: 2 ** 32 }),
    ),
    write: fc.boolean(),
  });

  it('breaks nothing but its device with any sequence of accesses, and a reset mends that', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(access, { maxLength: 60 }), fc.boolean(), async (accesses, isStarted) => {
        const device = new ReverseDevice();
        const fn = new TestFunction(device);
        if (isStarted) await new PciTransport(fn).start();
        for (const { offset, width, value, write } of accesses) {
          if (write) fn.writeBar(offset, width, value);
          const read = fn.readBar(offset, width);
          assert.ok(Number.isInteger(read) && read >= 0 && read < 2 ** (8 * width));
          if (offset === 0x40 && width === 1) assert.ok(!fn.level);
        }
        device.config.set([1, 2, 3, 4, 5, 6]);
        const driver = new PciTransport(fn);
        await driver.start();
        assert.deepEqual(await driver.queues[1]!.request(bytes(4, 5, 6), 3), bytes(6, 5, 4));
        await driver.close();
      }),
      { numRuns: 150 },
    );
  });
});

describe('a saved function', () => {
  class CountingDevice extends ReverseDevice implements SavableDevice {
    count = 0;
    override handle(queueIndex: number, request: VirtioRequest): void {
      this.count += 1;
      super.handle(queueIndex, request);
    }
    override reset(): void {
      super.reset();
      this.count = 0;
    }
    saveState(): number {
      return this.count;
    }
    restoreState(state: unknown): void {
      this.count = Number(state);
    }
  }

  /** Keeps requests until it is told to answer the oldest. */
  class KeepingDevice extends ReverseDevice {
    readonly kept: VirtioRequest[] = [];
    override handle(_queueIndex: number, request: VirtioRequest): void {
      this.kept.push(request);
    }
    stopQueue(): void {
      for (const request of this.kept.splice(0)) request.giveBack();
    }
    answer(): void {
      super.handle(0, this.kept.shift()!);
    }
  }

  async function savedAfter(requests: number) {
    const { fn, driver, device } = await started(new CountingDevice());
    for (let i = 0; i < requests; i++) await driver.queues[0]!.request(bytes(1), 1);
    return { fn, driver, device, memory: fn.region.bytes.slice(), state: await fn.save() };
  }

  it('goes on where it was, itself and restored into another', async () => {
    const { fn, driver, memory, state } = await savedAfter(100);
    assert.deepEqual(await driver.queues[0]!.request(bytes(1, 2), 2), bytes(2, 1));
    const device = new CountingDevice();
    const other = new TestFunction(device);
    other.region.bytes.set(memory);
    await other.restoreState(state);
    assert.equal(device.count, 100);
    assert.equal(device.activated, (1n << 32n) | (3n << 28n));
    assert.deepEqual(await other.save(), state);
    // The driver's own memory of the rings is in the guest: here it is moved to the other function.
    fn.region.bytes.set(memory);
    await fn.restoreState(state);
    await assert.doesNotReject(fn.whenIdle());
    assert.deepEqual(await fn.save(), state);
  });

  it('keeps an interrupt that was not taken', async () => {
    const { fn, state } = await savedAfter(1);
    fn.onInterrupt = () => {};
    await fn.restoreState({ ...state, isr: 1 });
    assert.ok(fn.level);
    assert.equal(fn.readBar(0x40, 1), 1);
    assert.ok(!fn.level);
  });

  it('needs a reset if what the device had could not be saved, unless no driver used it', async () => {
    const made = () => new TestFunction(unsavable(new ReverseDevice()));
    const fn = made();
    const driver = new PciTransport(fn);
    const unused = await fn.save();
    await fn.restoreState(unused);
    assert.deepEqual([fn.state.brokenReason, fn.level], [undefined, false]);
    await driver.start();
    await driver.queues[0]!.request(bytes(1), 1);
    await fn.restoreState(await fn.save());
    assert.equal((await driver.broken).code, 'VIRTIO_NEEDS_RESET');
    assert.equal(fn.readCommon(COMMON.status, 1) & 64, 64);
    await driver.reset();
    await driver.start();
    assert.deepEqual(await driver.queues[0]!.request(bytes(1, 2), 2), bytes(2, 1));
    await driver.close();
  });

  it('stays broken', async () => {
    const { fn } = await started();
    fn.onInterrupt = () => {};
    fn.layOutQueue(0, { size: 8, descriptorTable: 0, availableRing: 0, usedRing: 0 }); // enabled twice
    assert.equal(fn.readCommon(COMMON.status, 1) & 64, 64);
    const state = await fn.save();
    const other = new TestFunction(new ReverseDevice());
    await other.restoreState(state);
    assert.equal(other.readCommon(COMMON.status, 1), fn.readCommon(COMMON.status, 1));
    assert.match(other.state.brokenReason!.message, /twice/);
    assert.equal(other.level, true, 'the interrupt that said so was not taken');
    assert.equal(other.readBar(0x40, 1), 2);
    await other.restoreState(await other.save());
    assert.equal(other.level, false);
  });

  it('does not fit another device', async () => {
    const { state } = await savedAfter(1);
    class FewerFeatures extends ReverseDevice {
      override readonly features = 0n;
    }
    const agreed = { ...state, common: { ...state.common, driverFeatures: [1, 1, 0, 0] } };
    const badState = (error: unknown) => error instanceof V86Error && error.code === 'bad-state';
    await assert.rejects(new TestFunction(new FewerFeatures()).restoreState(agreed), badState);
    await assert.rejects(
      new TestFunction(new ReverseDevice()).restoreState({ ...state, deviceId: 1 }),
      badState,
    );
    await assert.rejects(
      new TestFunction(new ReverseDevice()).restoreState({
        ...state,
        common: { ...state.common, queues: [] },
      }),
      badState,
    );
  });

  it('is not saved while something is under way, which can be awaited', async () => {
    const { device, fn, driver } = await started();
    device.held = [];
    const answer = driver.queues[0]!.request(bytes(1, 2), 2);
    assert.throws(() => fn.saveState());
    const suspended = fn.suspend();
    device.held[0]!();
    await suspended;
    fn.saveState();
    fn.resume();
    assert.deepEqual(await answer, bytes(2, 1));
    await driver.close();
  });

  it('takes from the device what it keeps, and offers it again to whatever it is put back into', async () => {
    const { fn, driver, device } = await started(new KeepingDevice());
    const answers = [1, 2, 3].map((byte) => driver.queues[0]!.request(bytes(byte), 1));
    await null;
    device.answer();
    assert.deepEqual(await answers[0], bytes(1));
    await fn.suspend();
    assert.equal(device.kept.length, 0);
    const state = structuredClone(fn.saveState());
    assert.deepEqual(state.common.queues[0]!.indices, { availableIndex: 1, usedIndex: 1 });
    fn.resume();
    assert.equal(device.kept.length, 2, 'it goes on itself');
    await fn.restoreState(state);
    assert.equal(device.kept.length, 2, 'and so does what it is put back into');
    device.answer();
    device.answer();
    assert.deepEqual(await Promise.all(answers), [bytes(1), bytes(2), bytes(3)]);
    await driver.close();
  });

  it('hands on what was available and not notified of', async () => {
    const { fn, driver, device } = await started(new CountingDevice());
    const notify = fn.writeBar;
    fn.writeBar = () => {};
    const answer = driver.queues[0]!.request(bytes(1, 2), 2);
    fn.writeBar = notify;
    await fn.suspend();
    const state = structuredClone(fn.saveState());
    const memory = fn.region.bytes.slice();
    fn.resume();
    assert.equal(device.count, 1, 'found when it went on');
    assert.deepEqual(await answer, bytes(2, 1));
    assert.equal(state.device, 0);
    const restored = new CountingDevice();
    const other = new TestFunction(restored);
    other.region.bytes.set(memory);
    await other.restoreState(state);
    assert.equal(restored.count, 1, 'and when it was put back');
  });
});
