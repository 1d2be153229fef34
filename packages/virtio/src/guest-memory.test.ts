import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { GuestMemory } from './guest-memory.ts';
import { Segments } from './segments.ts';

const PAGE = 4096;

function region(base: number, length = PAGE, fill = 0) {
  return { base, bytes: new Uint8Array(length).fill(fill) };
}

function translate(memory: GuestMemory, address: number, length: number): Segments | undefined {
  const target = new Segments();
  return memory.translate(address, length, target) ? target : undefined;
}

describe('GuestMemory', () => {
  it('translates an address to its place in a region', () => {
    const high = region(2 ** 40);
    const memory = new GuestMemory([high, region(PAGE)]);
    const range = translate(memory, 2 ** 40 + 16, 100);
    assert.equal(range?.count, 1);
    assert.equal(range?.memory[0]?.bytes, high.bytes);
    assert.equal(range?.offset[0], 16);
    assert.equal(range?.length[0], 100);
  });

  it('splits a range that crosses into a region which continues the one before', () => {
    const [first, second] = [region(PAGE, PAGE, 1), region(2 * PAGE, PAGE, 2)];
    const memory = new GuestMemory([second, first]);
    const range = translate(memory, 2 * PAGE - 3, 5);
    assert.deepEqual([...range!.toBytes()], [1, 1, 1, 2, 2]);
    assert.equal(memory.find(2 * PAGE - 3, 5), undefined, 'no one region holds it');
  });

  it('finds a range exactly if all of it is inside', () => {
    const memory = new GuestMemory([region(PAGE), region(2 * PAGE), region(8 * PAGE)]);
    const inside = (address: number, length: number) =>
      (address >= PAGE && address + length <= 3 * PAGE) ||
      (address >= 8 * PAGE && address + length <= 9 * PAGE);
    const nearEdges = fc.tuple(fc.constantFrom(0, 1, 2, 3, 8, 9, 10), fc.integer({ min: -2, max: 2 }));
    fc.assert(
      fc.property(
        nearEdges,
        fc.constantFrom(1, 2, 3, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE),
        ([page, off], length) => {
          const address = page * PAGE + off;
          const range = translate(memory, address, length);
          assert.equal(range !== undefined, inside(address, length));
          if (range !== undefined) assert.equal(range.byteLength, length);
          const crosses = address < 2 * PAGE && address + length > 2 * PAGE;
          assert.equal(memory.find(address, length) !== undefined, inside(address, length) && !crosses);
        },
      ),
    );
  });

  it('finds nothing at addresses that 53 bits do not hold', () => {
    const memory = new GuestMemory([region(2 ** 53 - PAGE)]);
    assert.ok(translate(memory, 2 ** 53 - 1, 1));
    assert.equal(translate(memory, 2 ** 53, 1), undefined);
    assert.equal(translate(memory, 2 ** 53 - 1, 2), undefined);
    assert.equal(translate(memory, 2 ** 64 - 16, 32), undefined);
  });

  it('forgets the regions that were replaced', () => {
    const memory = new GuestMemory([region(0)]);
    assert.ok(translate(memory, 0, 1));
    memory.replace([region(PAGE)]);
    assert.equal(translate(memory, 0, 1), undefined);
    assert.ok(translate(memory, PAGE, 1));
  });

  it('moves, and ranges of it follow, with all parts of them', () => {
    const [low, high] = [region(0, PAGE, 1), region(2 * PAGE, PAGE, 2)];
    const memory = new GuestMemory([low, high]);
    const range = translate(memory, 16, 8)!;
    const part = range.slice(2, 2);
    const moved = new Map([
      [0, region(0, PAGE, 3).bytes],
      [2 * PAGE, region(0, PAGE, 4).bytes],
    ]);
    assert.throws(() => memory.move(() => new Uint8Array(PAGE - 16)), RangeError);
    assert.deepEqual([...part.toBytes()], [1, 1], 'a move that cannot be moves nothing');
    memory.move((base) => moved.get(base)!);
    assert.deepEqual([...part.toBytes()], [3, 3]);
    part.fill(5);
    assert.deepEqual([...translate(memory, 16, 8)!.toBytes()], [3, 3, 5, 5, 3, 3, 3, 3]);
    assert.deepEqual([...translate(memory, 2 * PAGE, 2)!.toBytes()], [4, 4]);
    assert.equal(memory.baseOf(range.memory[0]!), 0);
    assert.equal(memory.find(2 * PAGE, 4)!.view.getUint8(0), 4);
  });

  it('refuses a table that cannot be, and keeps the old one', () => {
    const memory = new GuestMemory([region(0)]);
    const misaligned = { base: 0, bytes: new Uint8Array(new ArrayBuffer(64), 8) };
    const tables = [
      [region(0), region(PAGE - 16)],
      [region(0, 0)],
      [region(-16)],
      [region(0.5)],
      [misaligned],
    ];
    tables.push([region(2 ** 53 - PAGE + 16)]);
    for (const table of tables) assert.throws(() => memory.replace(table), RangeError);
    assert.ok(translate(memory, 0, 1));
  });
});
