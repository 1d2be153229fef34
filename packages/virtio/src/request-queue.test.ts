import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { BufferTransfer, LoopbackTransport, type Transfer } from './index.ts';
import { ReverseDevice } from './testing/reverse-device.ts';
import type { VirtioRequest } from './virtio-device.ts';

/** Answers the oldest request when told to. */
class SlowDevice extends ReverseDevice {
  readonly kept: VirtioRequest[] = [];
  override handle(_queueIndex: number, request: VirtioRequest): void {
    this.kept.push(request);
  }
  answer(): void {
    super.handle(0, this.kept.shift()!);
  }
}

describe('RequestQueue', () => {
  it('lets go of what waited, also if it never runs empty', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const depth = 256;
    const device = new SlowDevice([64]);
    await using transport = new LoopbackTransport(device);
    await transport.start();
    const queue = transport.queues[0]!;
    const range = { address: transport.memory.region.base + 0x10_0000, length: 4 };
    const sent: WeakRef<Transfer>[] = [];
    const send = () => {
      const transfer: Transfer = {
        place: (ring) => ring.add([range], [], transfer),
        keep() {},
        done: send,
        fail() {},
        release() {},
      };
      sent.push(new WeakRef(transfer));
      queue.send(transfer);
    };
    for (let i = 0; i < depth; i++) send();
    for (let round = 0; round < 64; round++) {
      // What a turn of the event loop has seen through a WeakRef lives to its end.
      await nextTurn();
      while (device.kept.length > 0) device.answer();
    }
    await nextTurn();
    collect();
    const left = sent.filter((reference) => reference.deref() !== undefined).length;
    assert.ok(sent.length > 4000 && left <= 2 * depth, `${left} of ${sent.length} requests are still held`);
  });

  it('takes requests of a kind that is made outside of this package', async () => {
    const device = new ReverseDevice();
    await using transport = new LoopbackTransport(device);
    await transport.start();
    const buffer = transport.memory.allocate(64);
    buffer.bytes.set([1, 2, 3]);
    const written = await new Promise<number>((resolve, reject) => {
      const readable = [{ address: buffer.address, length: 3 }];
      const writable = [{ address: buffer.address + 16, length: 16 }];
      transport.queues[0]!.send(new BufferTransfer(readable, writable, resolve, reject));
    });
    assert.deepEqual([...buffer.bytes.subarray(16, 16 + written)], [3, 2, 1]);
    buffer.free({ wipe: true });
  });

  it('waits for room in a queue that has some, but too little', async () => {
    const device = new SlowDevice([2]);
    await using transport = new LoopbackTransport(device);
    await transport.start({ ringFeatures: 0n });
    const queue = transport.queues[0]!;
    const short = queue.request(Uint8Array.of(1), 0);
    const long = queue.request(Uint8Array.of(1, 2), 2);
    await nextTurn();
    transport.memory.allocate(64).free(); // whoever waits for memory may try again
    device.answer();
    assert.deepEqual(await short, new Uint8Array(0));
    await nextTurn();
    device.answer();
    assert.deepEqual(await long, Uint8Array.of(2, 1));
  });
});
