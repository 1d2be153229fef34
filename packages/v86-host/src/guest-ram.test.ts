import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { VirtioRequest } from '@skytale/virtio';
import { Segments } from '@skytale/virtio';
import type { Cpu } from './emulator.ts';
import { GuestRam } from './guest-ram.ts';

const OFFSET = 64;
const SIZE = 0x20_0000;

/** What GuestRam knows of an emulator: WebAssembly memory with the guest's in the middle of it. */
function emulator() {
  const wasm_memory = new WebAssembly.Memory({ initial: 64 });
  const dirty: [number, number][] = [];
  const cpu = {
    wasm_memory,
    mem8: { byteOffset: OFFSET, length: SIZE },
    jit_dirty_cache: (start: number, end: number) => dirty.push([start, end]),
  };
  const ram = new GuestRam(cpu as unknown as Cpu);
  return { ram, wasm_memory, dirty };
}

function request(ram: GuestRam, ranges: [number, number][]): VirtioRequest {
  const [readable, writable] = [new Segments(), new Segments()];
  for (const [address, length] of ranges) {
    assert.ok(ram.memory.translate(address, length, readable));
    assert.ok(ram.memory.translate(address, length, writable));
  }
  return { readable, writable, complete() {}, giveBack() {} };
}

describe("the emulated guest's memory", () => {
  it('is all that a PC has, but for the hole', () => {
    const { ram, wasm_memory } = emulator();
    ram.memory.find(0x1234, 1)!.bytes[0x1234] = 7;
    assert.equal(new Uint8Array(wasm_memory.buffer)[OFFSET + 0x1234], 7);
    const ends = [0, 0x9_ffff, 0x10_0000, SIZE - 1];
    for (const address of ends) assert.ok(ram.memory.find(address, 1), address.toString(16));
    for (const address of [0xa_0000, 0xf_ffff, SIZE, 2 ** 32]) assert.ok(!ram.memory.find(address, 1));
    assert.ok(!ram.memory.find(0x9_ffff, 2));
  });

  it('is forgotten by the compiler where a device may write', () => {
    const { ram, dirty } = emulator();
    ram.lend(
      request(ram, [
        [0x1000, 10],
        [0x10_0000, 4096],
      ]),
    );
    assert.deepEqual(dirty, [
      [0x1000, 0x100a],
      [0x10_0000, 0x10_1000],
    ]);
  });

  it('moves with the emulator, and requests under way with it', () => {
    const { ram, wasm_memory } = emulator();
    assert.ok(!ram.follow());
    const lent = request(ram, [
      [0x1000, 4],
      [0x10_0000, 4],
    ]);
    ram.lend(lent);
    wasm_memory.grow(1);
    assert.throws(() => lent.writable.copyFrom(0, 8, new Uint8Array(8))); // detached
    assert.ok(ram.follow());
    lent.writable.copyFrom(0, 8, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
    const bytes = new Uint8Array(wasm_memory.buffer, OFFSET);
    assert.deepEqual([...bytes.subarray(0x1000, 0x1004)], [1, 2, 3, 4]);
    assert.deepEqual([...bytes.subarray(0x10_0000, 0x10_0004)], [5, 6, 7, 8]);
    assert.deepEqual([...lent.readable.toBytes()], [1, 2, 3, 4, 5, 6, 7, 8]);
    assert.ok(ram.memory.find(SIZE - 1, 1));
  });

  it('takes along what a device keeps of a request: parts of it, by themselves', () => {
    const { ram, wasm_memory } = emulator();
    const lent = request(ram, [
      [0x1000, 8],
      [0x10_0000, 8],
    ]);
    ram.lend(lent);
    const part = lent.writable.slice(4, 8);
    const ofPart = part.slice(2, 4);
    const elsewhere = Segments.of(new Uint8Array(4));
    lent.readable.clear();
    lent.writable.clear();
    for (const value of [1, 2]) {
      wasm_memory.grow(1);
      assert.ok(ram.follow());
      ofPart.copyFrom(0, 4, new Uint8Array(4).fill(value));
      const bytes = new Uint8Array(wasm_memory.buffer, OFFSET);
      assert.deepEqual([...bytes.subarray(0x1004, 0x1008)], [0, 0, value, value]);
      assert.deepEqual([...bytes.subarray(0x10_0000, 0x10_0004)], [value, value, 0, 0]);
      assert.deepEqual([...part.toBytes()], [0, 0, value, value, value, value, 0, 0]);
    }
    elsewhere.fill(1);
    assert.throws(() => ram.lend({ ...lent, writable: elsewhere }), RangeError);
  });
});
