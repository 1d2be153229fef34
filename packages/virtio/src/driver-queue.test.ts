import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DriverQueue, type DriverQueueOptions } from './driver-queue.ts';
import { BASE, DATA, RawDriver } from './testing/raw-driver.ts';
import type { VirtqueueError } from './virtio-error.ts';

const SIZE = 4;
const TABLES = BASE + 0x1000;
const layout = {
  size: SIZE,
  descriptorTable: BASE,
  availableRing: BASE + 0x4000,
  usedRing: BASE + 0x6000,
};
const range = { address: DATA, length: 8 };

/** A queue and a device's hand in its memory. */
function create(options: Partial<DriverQueueOptions> = {}) {
  const bytes = new Uint8Array(0x10000).fill(0xee);
  const view = new DataView(bytes.buffer);
  const queue = new DriverQueue<string>({ base: BASE, bytes }, layout, { eventIdx: false, ...options });
  let usedIndex = options.index ?? 0;
  const use = (id: number, length: number) => {
    const at = 0x6000 + 4 + 8 * (usedIndex % SIZE);
    view.setUint32(at, id, true);
    view.setUint32(at + 4, length, true);
    usedIndex = (usedIndex + 1) & 0xffff;
    view.setUint16(0x6002, usedIndex, true);
  };
  const reap = () => {
    const answers: [string, number][] = [];
    queue.reap((token, written) => answers.push([token, written]));
    return answers;
  };
  return { queue, view, use, reap };
}

describe('DriverQueue', () => {
  it('chains descriptors, and takes them back with what the device wrote', () => {
    const { queue, view, use, reap } = create();
    assert.ok(queue.add([range, range], [{ address: DATA + 64, length: 16 }], 'a'));
    assert.equal(queue.free, 1);
    assert.equal(view.getUint16(0x4002, true), 1, 'available index');
    const flags = [0, 1, 2].map((i) => view.getUint16(16 * i + 12, true));
    assert.deepEqual(flags, [1, 1, 2]);
    assert.deepEqual(reap(), []);
    use(0, 10);
    assert.deepEqual(reap(), [['a', 10]]);
    assert.equal(queue.free, SIZE);
    assert.equal(queue.inFlight, 0);
  });

  it('takes one descriptor for a chain where indirect tables are agreed on', () => {
    const { queue, view } = create({ indirectTables: TABLES });
    for (let i = 0; i < SIZE; i++) assert.ok(queue.add([range], [range], `${i}`));
    assert.equal(queue.add([range], [range], 'too many'), false);
    assert.equal(view.getUint16(16 * 2 + 12, true), 4, 'INDIRECT');
    assert.equal(view.getUint32(16 * 2, true), TABLES + 2 * 16 * 16);
    assert.equal(view.getUint32(16 * 2 + 8, true), 32);
  });

  it('writes addresses beyond 32 bits', () => {
    const { queue, view } = create();
    queue.add([{ address: 2 ** 40 + 2 ** 31 + 5, length: 1 }], [], 'high');
    assert.equal(view.getBigUint64(0, true), 2n ** 40n + 2n ** 31n + 5n);
  });

  it('refuses what can never be added', () => {
    const { queue } = create();
    assert.throws(() => queue.add([], [], ''), RangeError);
    assert.throws(() => queue.add([range, range, range], [range, range], ''), RangeError);
    assert.throws(() => queue.add([{ address: DATA, length: 0 }], [], ''), RangeError);
    const half = { address: 0, length: 2 ** 31 };
    assert.throws(() => queue.add([half], [half], ''), RangeError);
    assert.equal(queue.inFlight, 0);
  });

  it('is not made with a size that cannot be', () => {
    const { region, layout } = new RawDriver();
    for (const size of [0, 3, 65535]) {
      const make = () => new DriverQueue(region, { ...layout, size }, { eventIdx: false });
      assert.throws(make, { code: 'VIRTQUEUE_SIZE' });
    }
  });

  it('goes on when the indices wrap at 65536', () => {
    const { queue, use, reap } = create({ index: 65535, eventIdx: true });
    for (const token of ['a', 'b', 'c']) {
      queue.add([range], [range], token);
      use(0, 3);
      assert.deepEqual(reap(), [[token, 3]]);
    }
  });

  const lies: [string, VirtqueueError['code'], (device: ReturnType<typeof create>) => void][] = [
    ['an id out of range', 'VIRTQUEUE_USED_ID', ({ use }) => use(SIZE, 0)],
    ['an id of 32 bits', 'VIRTQUEUE_USED_ID', ({ use }) => use(0xffffffff, 0)],
    ['an id that is not a head', 'VIRTQUEUE_USED_ID', ({ use }) => use(1, 0)],
    ['an id that is not in flight', 'VIRTQUEUE_USED_ID', ({ use }) => use(2, 0)],
    ['more bytes than were writable', 'VIRTQUEUE_USED_LENGTH', ({ use }) => use(0, 9)],
    ['more answers than requests', 'VIRTQUEUE_USED_JUMP', ({ view }) => view.setUint16(0x6002, 2, true)],
    ['an index that goes back', 'VIRTQUEUE_USED_JUMP', ({ view }) => view.setUint16(0x6002, 65535, true)],
  ];
  for (const [name, code, lie] of lies) {
    it(`refuses ${name} from the device`, () => {
      const device = create();
      device.queue.add([range], [range], 'a');
      lie(device);
      assert.throws(device.reap, { code });
    });
  }

  it('refuses the same answer twice', () => {
    const { queue, use, reap } = create();
    queue.add([range], [range], 'a');
    queue.add([range], [range], 'b');
    use(0, 1);
    use(0, 1);
    assert.throws(reap, { code: 'VIRTQUEUE_USED_ID' });
  });

  it('does not rely on what it wrote into shared memory', () => {
    const { queue, view, use, reap } = create();
    queue.add([range], [range], 'a');
    for (let at = 0; at < 16 * SIZE; at += 4) view.setUint32(at, 0xffffffff);
    use(0, 8);
    assert.deepEqual(reap(), [['a', 8]]);
    assert.ok(queue.add([range, range], [range, range], 'all'));
  });

  it('heeds the wish of the device to be notified', () => {
    const flags = create();
    flags.queue.add([range], [], 'a');
    assert.equal(flags.queue.wantsKick(), true);
    assert.equal(flags.queue.wantsKick(), false, 'nothing was added since');
    flags.view.setUint16(0x6000, 1, true);
    flags.queue.add([range], [], 'b');
    assert.equal(flags.queue.wantsKick(), false);

    const events = create({ eventIdx: true });
    events.view.setUint16(0x6000 + 4 + 8 * SIZE, 1, true);
    events.queue.add([range], [], 'a');
    assert.equal(events.queue.wantsKick(), false, 'index 0 was added, the device waits for 1');
    events.queue.add([range], [], 'b');
    assert.equal(events.queue.wantsKick(), true);
  });

  it('says when it wants to be notified, and whether it is too late for that', () => {
    const flags = create();
    flags.queue.add([range], [range], 'a');
    flags.queue.suppressInterrupts();
    assert.equal(flags.view.getUint16(0x4000, true), 1);
    assert.equal(flags.queue.enableInterrupts(), false);
    assert.equal(flags.view.getUint16(0x4000, true), 0);
    flags.use(0, 0);
    assert.equal(flags.queue.enableInterrupts(), true);

    const events = create({ eventIdx: true, index: 7 });
    assert.equal(events.view.getUint16(0x4000 + 4 + 2 * SIZE, true), 7);
  });

  it('gives everything up', () => {
    const { queue } = create();
    queue.add([range], [range], 'a');
    queue.add([range], [], 'b');
    const dropped: string[] = [];
    queue.abandon((token) => dropped.push(token));
    assert.deepEqual(dropped.sort(), ['a', 'b']);
    assert.equal(queue.free, SIZE);
  });
});
