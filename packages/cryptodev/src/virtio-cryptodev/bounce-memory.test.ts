import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemoryAllocator } from '@skytale/virtio';
import { BounceMemory } from './bounce-memory.ts';

const create = (): BounceMemory =>
  new BounceMemory(new MemoryAllocator({ base: 4096, bytes: new Uint8Array(256) }));

describe('BounceMemory', () => {
  it('serves those who wait in their order, and nobody before them', async () => {
    const memory = create();
    const all = memory.take(256)!;
    const served: string[] = [];
    const large = memory.wait(256).then((block) => {
      served.push('large');
      return block;
    });
    const small = memory.wait(64).then((block) => {
      served.push('small');
      return block;
    });
    memory.give(all);
    assert.equal(memory.take(64), undefined, 'others were before');
    memory.give(await large);
    memory.give(await small);
    assert.deepEqual(served, ['large', 'small']);
    assert.notEqual(memory.take(256), undefined);
  });

  it('wipes what is given back', () => {
    const memory = create();
    const block = memory.take(128)!;
    memory.bytes.fill(7);
    memory.give(block, 100);
    assert.ok(memory.bytes.subarray(block, block + 100).every((byte) => byte === 0));
    assert.equal(memory.bytes[block + 100], 7);
  });

  it('refuses those who wait when the device fails, and what can never be', async () => {
    const memory = create();
    memory.take(256);
    const waiting = [memory.wait(64), memory.wait(64)];
    memory.refuse(new Error('gone'));
    for (const { status } of await Promise.allSettled(waiting)) assert.equal(status, 'rejected');
    assert.throws(() => memory.take(257), { code: 'VIRTIO_OUT_OF_MEMORY' });
  });
});
