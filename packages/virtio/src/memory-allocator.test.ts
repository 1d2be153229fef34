import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MemoryAllocator } from './memory-allocator.ts';

const BASE = 0x1000;

function create(length: number, onFree?: () => void): MemoryAllocator {
  return new MemoryAllocator({ base: BASE, bytes: new Uint8Array(length) }, onFree);
}

describe('MemoryAllocator', () => {
  it('hands out blocks that never overlap, and gets all of them back', () => {
    const steps = fc.array(fc.oneof(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: -40, max: -1 })), {
      maxLength: 150,
    });
    fc.assert(
      fc.property(fc.constantFrom(64, 4096, 10_000, 65_536), steps, (size, script) => {
        const allocator = create(size);
        const held: { address: number; length: number }[] = [];
        for (const step of script) {
          if (step < 0) {
            const [block] = held.splice(-step % Math.max(held.length, 1), 1);
            if (block !== undefined) allocator.release(block.address);
            continue;
          }
          if (step > size) continue;
          const address = allocator.reserve(step);
          if (address === undefined) continue;
          assert.ok(address >= BASE && address + step <= BASE + size);
          assert.equal(address % 64, 0);
          for (const other of held) {
            assert.ok(address + step <= other.address || other.address + other.length <= address);
          }
          held.push({ address, length: step });
        }
        for (const { address } of held) allocator.release(address);
        assert.equal(allocator.used, 0);
        // All halves have joined again: the largest block is there.
        const largest = 2 ** Math.floor(Math.log2(size));
        assert.notEqual(allocator.reserve(largest), undefined);
      }),
    );
  });

  it('says that there is no room now, and refuses what never fits', () => {
    const allocator = create(1024);
    const address = allocator.reserve(1024)!;
    assert.equal(allocator.reserve(1), undefined);
    assert.throws(() => allocator.allocate(1), { code: 'VIRTIO_OUT_OF_MEMORY' });
    allocator.release(address);
    assert.throws(() => allocator.reserve(1025), { code: 'VIRTIO_OUT_OF_MEMORY' });
    for (const length of [0, -1, 1.5, Number.NaN]) assert.throws(() => allocator.reserve(length), RangeError);
  });

  it('refuses to free what is not reserved', () => {
    const allocator = create(1024);
    const address = allocator.reserve(128)!;
    for (const wrong of [address + 64, address + 1, BASE - 64, BASE + 4096]) {
      assert.throws(() => allocator.release(wrong), RangeError);
    }
    allocator.release(address);
    assert.throws(() => allocator.release(address), RangeError);
  });

  it('gives a buffer to work in, wipes it if asked, and frees it once', () => {
    let frees = 0;
    const allocator = create(1024, () => {
      frees += 1;
    });
    const buffer = allocator.allocate(100);
    buffer.bytes.fill(7);
    const { bytes } = allocator.region;
    assert.equal(buffer.bytes.length, 100);
    assert.equal(bytes[buffer.address - BASE + 99], 7);
    buffer.free({ wipe: true });
    assert.ok(bytes.every((byte) => byte === 0));
    assert.equal(frees, 1);
    assert.throws(() => buffer.free(), RangeError);
    {
      using scoped = allocator.allocate(10);
      assert.equal(allocator.used, 64);
      assert.equal(scoped.length, 10);
    }
    assert.equal(allocator.used, 0);
  });

  it('refuses memory that is not aligned', () => {
    assert.throws(() => new MemoryAllocator({ base: 32, bytes: new Uint8Array(64) }), RangeError);
  });
});
