import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { VIRTIO_F_EVENT_IDX, VIRTIO_F_INDIRECT_DESC, VIRTIO_F_VERSION_1 } from './features.ts';
import { LoopbackTransport } from './loopback-transport.ts';
import { ReverseDevice } from './testing/reverse-device.ts';
import type { VirtioRequest } from './virtio-device.ts';
import { VirtioError } from './virtio-error.ts';

/** Answers when told to. */
class SlowDevice extends ReverseDevice {
  readonly kept: VirtioRequest[] = [];
  override handle(_queueIndex: number, request: VirtioRequest): void {
    this.kept.push(request);
  }
  /** Answers the oldest request. */
  async answer(): Promise<void> {
    while (this.kept.length === 0) await null;
    super.handle(0, this.kept.shift()!);
  }
}

const bytes = (...values: number[]) => Uint8Array.from(values);

describe('LoopbackTransport', () => {
  it('negotiates, and carries requests', async () => {
    const device = new ReverseDevice();
    await using transport = new LoopbackTransport(device);
    assert.equal(transport.deviceId, 42);
    assert.equal(transport.queues.length, 2);
    const features = await transport.start({ features: 0b111n });
    assert.equal(features, 0b101n | VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX);
    assert.equal(device.activated, features);
    assert.equal(transport.queues[1]!.size, 64);
    assert.deepEqual(await transport.queues[1]!.request([bytes(1, 2), bytes(), bytes(3)], 8), bytes(3, 2, 1));
    assert.deepEqual(await transport.queues[0]!.request(bytes(1, 2, 3), 2), bytes(3, 2));
    assert.deepEqual(await transport.queues[0]!.request(bytes(1, 2, 3), 0), bytes());
    assert.deepEqual(await transport.queues[0]!.request([], 4), bytes());
  });

  it('answers each of many requests, with any features and little memory', async () => {
    const ring = fc
      .subarray([VIRTIO_F_INDIRECT_DESC, VIRTIO_F_EVENT_IDX])
      .map((bits) => bits.reduce((a, b) => a | b, 0n));
    const requests = fc.array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 400 }), fc.nat(1)), {
      maxLength: 60,
    });
    await fc.assert(
      fc.asyncProperty(ring, requests, async (ringFeatures, all) => {
        await using transport = new LoopbackTransport(new ReverseDevice([4, 2]), { memorySize: 8192 });
        await transport.start({ ringFeatures });
        const used = transport.memory.used;
        const answers = await Promise.all(
          all.map(async ([data, queue]) => {
            const sent = data.slice();
            const answer = transport.queues[queue]!.request(data, data.length);
            // The request is on its way: the caller may use its array again.
            data.fill(0xaa);
            return [sent.reverse(), await answer];
          }),
        );
        for (const [expected, answer] of answers) assert.deepEqual(answer, expected);
        assert.equal(transport.memory.used, used, 'all memory came back');
      }),
      { numRuns: 60 },
    );
  });

  it('keeps the order of the calls when some must wait', async () => {
    const device = new SlowDevice([8]);
    await using transport = new LoopbackTransport(device, { memorySize: 16_384 });
    await transport.start();
    const order: number[] = [];
    // There is memory for one of the large ones at a time, and for the small ones always.
    const sizes = [8000, 1, 8000, 1, 8000, 1, 1, 1];
    const done = sizes.map(async (size, i) => {
      await transport.queues[0]!.request(new Uint8Array(size).fill(i), 1);
    });
    for (const _ of sizes) {
      while (device.kept.length === 0) await null;
      order.push(device.kept[0]!.readable.toBytes()[0]!);
      await device.answer();
    }
    await Promise.all(done);
    assert.deepEqual(order, [0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it('carries buffers of shared memory without a copy', async () => {
    await using transport = new LoopbackTransport(new ReverseDevice());
    await transport.start();
    using buffer = transport.memory.allocate(256);
    buffer.bytes.set([5, 6, 7]);
    const readable = { address: buffer.address, length: 3 };
    const written = await transport.queues[0]!.submit(
      [readable],
      [{ address: buffer.address + 128, length: 64 }],
    );
    assert.equal(written, 3);
    assert.deepEqual(buffer.bytes.slice(128, 131), bytes(7, 6, 5));
  });

  it('wipes what was secret', async () => {
    await using transport = new LoopbackTransport(new ReverseDevice());
    await transport.start();
    const secret = new Uint8Array(64).fill(0xd1);
    const contains = () => Buffer.from(transport.memory.region.bytes).includes(secret);
    await transport.queues[0]!.request(secret, 64, { wipe: true });
    assert.equal(contains(), false);
    await transport.queues[0]!.request(secret, 64);
    assert.equal(contains(), true, 'the search finds what was not wiped');
  });

  it('refuses requests that never fit, and goes on', async () => {
    await using transport = new LoopbackTransport(new ReverseDevice(), { memorySize: 65_536 });
    await transport.start();
    const queue = transport.queues[0]!;
    await assert.rejects(queue.request(new Uint8Array(70_000), 1), { code: 'VIRTIO_OUT_OF_MEMORY' });
    await assert.rejects(queue.request([], 0), { code: 'VIRTIO_INVALID_REQUEST' });
    await assert.rejects(queue.request(bytes(1), -1), { code: 'VIRTIO_INVALID_REQUEST' });
    await assert.rejects(queue.submit([], []), { code: 'VIRTIO_INVALID_REQUEST' });
    assert.deepEqual(await queue.request(bytes(1, 2), 2), bytes(2, 1));
  });

  it('refuses requests before start, after reset and after close', async () => {
    const transport = new LoopbackTransport(new ReverseDevice());
    const queue = transport.queues[0]!;
    await assert.rejects(queue.request(bytes(1), 1), { code: 'VIRTIO_NOT_STARTED' });
    await transport.start();
    await transport.reset();
    await assert.rejects(queue.request(bytes(1), 1), { code: 'VIRTIO_NOT_STARTED' });
    assert.equal(transport.features, 0n);
    await transport.close();
    await transport.close();
    await assert.rejects(queue.request(bytes(1), 1), { code: 'VIRTIO_CLOSED' });
    await assert.rejects(transport.start(), { code: 'VIRTIO_CLOSED' });
  });

  it('rejects what is under way at close, in flight or waiting', async () => {
    const device = new SlowDevice([2]);
    const transport = new LoopbackTransport(device);
    await transport.start();
    const requests = [1, 2, 3].map((byte) => transport.queues[0]!.request(bytes(byte), 1));
    const outcomes = Promise.allSettled(requests);
    await transport.close();
    for (const outcome of await outcomes) {
      assert.equal(outcome.status === 'rejected' && outcome.reason.code, 'VIRTIO_CLOSED');
    }
  });

  it('rejects everything when the device breaks, says why, and works again after a restart', async () => {
    const device = new SlowDevice([4, 4]);
    await using transport = new LoopbackTransport(device);
    await transport.start();
    const memory = transport.memory.used;
    const requests = [0, 1, 0].map((queue) => transport.queues[queue]!.request(bytes(1), 1));
    const outcomes = Promise.allSettled(requests);
    while (device.kept.length < 3) await null;
    // The driver goes mad: every descriptor of the first queue now points nowhere.
    const last = transport.queues[0]!.request(bytes(1), 1);
    transport.memory.region.bytes.fill(0xff, 0, 64);
    await assert.rejects(last, { code: 'VIRTIO_NEEDS_RESET', message: /descriptor/ });
    for (const outcome of await outcomes) {
      assert.equal(outcome.status === 'rejected' && outcome.reason.code, 'VIRTIO_NEEDS_RESET');
    }
    assert.equal(await transport.broken, transport.brokenReason);
    await assert.rejects(transport.queues[1]!.request(bytes(1), 1), { code: 'VIRTIO_NEEDS_RESET' });

    const restarted = transport.start();
    for (const request of device.kept.splice(0)) request.complete(0);
    await restarted;
    assert.equal(transport.brokenReason, undefined);
    assert.equal(transport.memory.used, memory, 'the memory of the requests that were given up came back');
    const answer = transport.queues[0]!.request(bytes(1, 2), 2);
    await device.answer();
    assert.deepEqual(await answer, bytes(2, 1));
  });

  it('survives a device that answers what was not asked', async () => {
    const device = new SlowDevice([4]);
    await using transport = new LoopbackTransport(device);
    await transport.start({ ringFeatures: 0n });
    const request = transport.queues[0]!.request(bytes(1), 1);
    while (device.kept.length === 0) await null;
    device.kept[0]!.writable.push(new Uint8Array(100), 0, 100);
    device.kept[0]!.complete(101);
    await assert.rejects(request, { code: 'VIRTQUEUE_USED_LENGTH' });
    assert.equal(transport.brokenReason?.code, 'VIRTQUEUE_USED_LENGTH');
  });

  it('tells the driver of changes of the configuration space, and of none that is a breakage', async () => {
    const device = new ReverseDevice();
    await using transport = new LoopbackTransport(device);
    await transport.start();
    let changes = 0;
    const count = () => {
      changes += 1;
    };
    const listening = transport.onConfigChange(count);
    using _again = transport.onConfigChange(count);
    device.config[0] = 9;
    device.driver!.configChanged();
    assert.equal(changes, 2);
    assert.deepEqual(await transport.readConfig(0, 1), bytes(9));
    listening[Symbol.dispose]();
    device.driver!.configChanged();
    assert.equal(changes, 3);
    transport.state.break(new VirtioError('VIRTIO_DEVICE_FAILED', 'out of paper'));
    assert.match((await transport.broken).message, /out of paper/);
    assert.equal(changes, 3);
  });

  it('reads and writes the configuration space', async () => {
    await using transport = new LoopbackTransport(new ReverseDevice());
    await transport.start();
    await transport.writeConfig(6, bytes(70, 80));
    assert.deepEqual(await transport.readConfig(4, 4), bytes(5, 6, 70, 80));
    await assert.rejects(transport.readConfig(6, 3), { code: 'VIRTIO_CONFIG_BOUNDS' });
  });
});
