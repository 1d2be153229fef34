import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import {
  readConfigRange,
  readInflightArea,
  readMemoryRegion,
  readMemoryTable,
  readU64,
  readVringAddress,
  readVringFile,
  readVringState,
  writeConfigRange,
  writeInflightArea,
  writeMemoryRegion,
  writeMemoryTable,
  writeU64,
  writeVringAddress,
  writeVringFile,
  writeVringState,
} from './payload.ts';

/** Plain objects, as the readers return. */
function record<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>;
}

const u16 = fc.nat(0xffff);
const u32 = fc.nat(0xffffffff);
const address = fc.maxSafeNat();
const region = record({ guestAddress: address, size: address, userAddress: address, mmapOffset: address });

/** What is written is read again, and nothing else. */
function roundTrip<T>(
  values: fc.Arbitrary<T>,
  write: (value: T) => Uint8Array,
  read: (bytes: Uint8Array) => T,
): void {
  fc.assert(fc.property(values, (value) => assert.deepEqual(read(write(value)), value)));
}

it('payloads are read as they were written', () => {
  roundTrip(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), writeU64, readU64);
  roundTrip(record({ index: u32, num: u32 }), writeVringState, readVringState);
  const parts = { index: u32, flags: u32, descriptor: address, used: address, available: address };
  roundTrip(record(parts), writeVringAddress, readVringAddress);
  roundTrip(record({ index: fc.nat(255), hasDescriptor: fc.boolean() }), writeVringFile, readVringFile);
  roundTrip(region, writeMemoryRegion, readMemoryRegion);
  roundTrip(fc.array(region, { maxLength: 8 }), writeMemoryTable, readMemoryTable);
  const area = record({ mmapSize: address, mmapOffset: address, queues: u16, queueSize: u16 });
  for (const length of [20, 24])
    roundTrip(area, (value) => writeInflightArea(value, length), readInflightArea);
  const range = { offset: fc.nat(128), flags: u32, bytes: fc.uint8Array({ maxLength: 128 }) };
  fc.assert(
    fc.property(record(range), (value) => {
      const { bytes, ...rest } = readConfigRange(writeConfigRange(value));
      assert.deepEqual({ ...rest, bytes: [...bytes] }, { ...value, bytes: [...value.bytes] });
    }),
  );
});

it('payloads lie where the specification has them', () => {
  const table = writeMemoryTable([{ guestAddress: 1, size: 2, userAddress: 3, mmapOffset: 2 ** 52 }]);
  assert.deepEqual([...new BigUint64Array(table.buffer)], [1n, 1n, 2n, 3n, 2n ** 52n]);
  const address = writeVringAddress({ index: 1, flags: 2, descriptor: 3, used: 4, available: 5 });
  assert.deepEqual([...new BigUint64Array(address.buffer)], [0x200000001n, 3n, 4n, 5n, 0n]);
  assert.equal(readU64(writeVringFile({ index: 3, hasDescriptor: false })), 0x103n);
});
