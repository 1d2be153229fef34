import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LoopbackTransport, MemoryAllocator } from '@skytale/virtio';
import { createEngine } from '../engines/create-engine.ts';
import { VirtioCryptodevDevice } from './device.ts';
import { VirtioCryptodevDriver } from './driver.ts';
import { DriverMemory, headLength } from './driver-memory.ts';

const create = (length: number): DriverMemory =>
  new DriverMemory(new MemoryAllocator({ base: 4096, bytes: new Uint8Array(length) }));

describe('DriverMemory', () => {
  it('lets a request wait for what others give back, and refuses what can never be', () => {
    const memory = create(256);
    const all = memory.takeBlock(256)!;
    assert.equal(memory.takeBlock(64), undefined);
    memory.giveBlock(all);
    assert.throws(() => memory.takeBlock(257), { code: 'VIRTIO_OUT_OF_MEMORY' });
    assert.notEqual(memory.takeHead(), undefined);
    assert.throws(() => memory.takeBlock(256), { code: 'VIRTIO_OUT_OF_MEMORY' }, 'nobody will give any back');
    assert.notEqual(memory.takeBlock(128), undefined);
    assert.equal(memory.takeBlock(128), undefined);
  });

  it('refuses a first header where there is no room for any', () => {
    const memory = create(headLength);
    memory.takeBlock(headLength);
    assert.throws(() => memory.takeHead(), { code: 'VIRTIO_OUT_OF_MEMORY' });
  });

  it('wipes what is given back', () => {
    const memory = create(256);
    const block = memory.takeBlock(128)!;
    memory.bytes.fill(7);
    memory.giveBlock(block, 100);
    assert.ok(memory.bytes.subarray(block, block + 100).every((byte) => byte === 0));
    assert.equal(memory.bytes[block + 100], 7);
  });

  it('gives callers no more than half, and overwrites what they leave', () => {
    const memory = create(2048);
    // With room for headers each: 512, 256 and 256 bytes.
    const pieces = [memory.allocate(200), memory.allocate(65), memory.allocate(1)];
    assert.throws(() => memory.allocate(1), { code: 'CRYPTO_LIMIT' });
    for (const { bytes } of pieces) bytes.fill(9);
    for (const piece of pieces) piece[Symbol.dispose]();
    assert.ok(memory.bytes.every((byte) => byte === 0));
    memory.allocate(1024 - headLength);
  });

  it('lends the room before a piece to one at a time, and only for its first byte', () => {
    const memory = create(64 * 1024);
    using short = memory.allocate(16 * 1024);
    const piece = memory.pieceOf(short.bytes)!;
    assert.equal(piece.takeHeadroom(short.bytes.subarray(1)), false);
    assert.equal(piece.takeHeadroom(short.bytes.subarray(0, 5)), true);
    assert.equal(piece.takeHeadroom(short.bytes), false);
    piece.giveHeadroom();
    assert.equal(piece.takeHeadroom(short.bytes), true);
  });

  it('has no room before a long piece, which would double it', () => {
    const memory = create(128 * 1024);
    using long = memory.allocate(64 * 1024);
    assert.equal(memory.pieceOf(long.bytes)!.takeHeadroom(long.bytes), false);
  });

  it('knows its pieces by any of their bytes, and no others', () => {
    const memory = create(4096);
    const piece = memory.allocate(100);
    const { bytes } = piece;
    const other = memory.allocate(100);
    assert.equal(memory.pieceOf(bytes.subarray(64, 99)), piece);
    assert.equal(memory.pieceOf(new Uint8Array(100)), undefined);
    assert.equal(memory.pieceOf(bytes.subarray(0, 0)), undefined);
    const freed = { code: 'CRYPTO_CLOSED' };
    const beyond = new Uint8Array(bytes.buffer, bytes.byteOffset, 101);
    assert.throws(() => memory.pieceOf(beyond), freed, 'beyond its end');
    assert.throws(() => memory.pieceOf(memory.bytes), freed);
    piece[Symbol.dispose]();
    assert.throws(() => memory.pieceOf(bytes), freed);
    assert.equal(memory.pieceOf(other.bytes), other);
  });

  it('keeps a freed piece while a request uses it', () => {
    const memory = create(512);
    const piece = memory.allocate(128);
    memory.pieceOf(piece.bytes)!.hold();
    piece.bytes.fill(1);
    piece[Symbol.dispose]();
    assert.throws(() => memory.pieceOf(piece.bytes), { code: 'CRYPTO_CLOSED' });
    assert.throws(() => memory.allocate(128), { code: 'CRYPTO_LIMIT' });
    assert.ok(piece.bytes.every((byte) => byte === 1));
  });

  it('is short for a driver: what does not fit is refused and does not hang', async () => {
    const device = new VirtioCryptodevDevice(await createEngine('openssl'), { queueSize: 64 });
    const transport = new LoopbackTransport(device, { memorySize: 128 * 1024 });
    await using driver = await VirtioCryptodevDriver.open(transport);
    await using session = await driver.createSession({ cipher: 'aes-ctr', key: new Uint8Array(16) });
    const iv = new Uint8Array(16);
    using memory = driver.allocate(32 * 1024);
    await assert.rejects(session.encrypt(new Uint8Array(100_000), iv), {
      code: 'CRYPTO_INVALID_DATA_LENGTH',
    });
    assert.equal(await session.encryptInto(memory.bytes, memory.bytes, iv), 32 * 1024);
    const { bytes } = memory;
    memory[Symbol.dispose]();
    await assert.rejects(session.encryptInto(bytes, bytes, iv), { code: 'CRYPTO_CLOSED' });
    await assert.rejects(session.encryptInto(iv, bytes, iv), { code: 'CRYPTO_CLOSED' });
  });
});
