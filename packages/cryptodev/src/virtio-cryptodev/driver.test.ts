import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { LoopbackTransport, VirtioError } from '@skytale/virtio';
import { cryptoDeviceCases } from '../crypto-device.cases.ts';
import { createEngine } from '../engines/create-engine.ts';
import { VirtioCryptodevDevice, type VirtioCryptodevOptions } from './device.ts';
import { VirtioCryptodevDriver } from './driver.ts';
import { openVirtioCryptodev } from './open.ts';
import { encodeResponseHeader, featureBits } from './wire.ts';

/** Enough for these tests; the default would have to be cleared for each. */
const memory = { memorySize: 8 << 20 };

async function loopback(options?: VirtioCryptodevOptions): Promise<LoopbackTransport> {
  return new LoopbackTransport(new VirtioCryptodevDevice(await createEngine('openssl'), options), memory);
}

// Each engine and each transport once; the engines by themselves have cases of their own.
cryptoDeviceCases('virtio-cryptodev in this thread on node', async () => {
  const device = new VirtioCryptodevDevice(await createEngine('node'), { queues: 3 });
  return VirtioCryptodevDriver.open(new LoopbackTransport(device, memory));
});
cryptoDeviceCases('virtio-cryptodev in a worker on openssl', () => openVirtioCryptodev());

describe('VirtioCryptodevDriver', () => {
  const key = Uint8Array.from({ length: 32 }, (_, i) => 0xa0 + i);
  const gcm = { aead: 'aes-gcm', key } as const;
  const operation = { operation: 'encrypt', data: new Uint8Array(100), nonce: new Uint8Array(12) } as const;

  it('says where it is and on what', async () => {
    await using device = await openVirtioCryptodev({ engine: 'node' });
    assert.equal(device.name, 'virtio-cryptodev (in-process) on node');
  });

  it('leaves no key in the memory it shares with the device', async () => {
    const transport = await loopback();
    await using driver = await VirtioCryptodevDriver.open(transport);
    await using session = await driver.createSession(gcm);
    await using mac = await driver.createSession({ mac: 'hmac-sha-256', key });
    await (await mac.copy()).close();
    await session.encrypt(new Uint8Array(100), new Uint8Array(12));
    await driver.oneShot(gcm, operation);
    assert.equal(Buffer.from(transport.memory.region.bytes).indexOf(key), -1);
  });

  it('takes a MAC key that is longer than the device’s limit', async () => {
    await using driver = await VirtioCryptodevDriver.open(await loopback());
    const long = new Uint8Array(5000).fill(3);
    await using mac = await driver.createSession({ mac: 'hmac-sha-512', key: long });
    const expected = createHmac('sha512', long).update('x').digest();
    assert.deepEqual(Buffer.from(await mac.digest(Buffer.from('x'))), expected);
  });

  it('hashes more than one request can carry, and refuses to encrypt it', async () => {
    await using driver = await VirtioCryptodevDriver.open(
      await loopback({ maxDataLength: 64, maxAuthLength: 16 }),
    );
    const data = new Uint8Array(1000).fill(5);
    const expected = createHash('sha256').update(data).digest();
    await using hash = await driver.createSession({ hash: 'sha-256' });
    await hash.update(data.subarray(0, 300));
    assert.deepEqual(Buffer.from(await hash.digest(data.subarray(300))), expected);
    const oneShot = await driver.oneShot({ hash: 'sha-256' }, { operation: 'digest', data });
    assert.deepEqual(Buffer.from(oneShot), expected);
    await using session = await driver.createSession(gcm);
    const tooLong = { code: 'CRYPTO_INVALID_DATA_LENGTH' };
    await assert.rejects(session.encrypt(data, new Uint8Array(12)), tooLong);
    await assert.rejects(session.encrypt(data.subarray(0, 9), new Uint8Array(12), data), tooLong);
  });

  it('has the limits of the device', async () => {
    await using driver = await VirtioCryptodevDriver.open(await loopback({ maxSessions: 1 }));
    const session = await driver.createSession(gcm);
    await assert.rejects(driver.createSession(gcm), { code: 'CRYPTO_LIMIT' });
    await driver.oneShot(gcm, operation);
    await session.close();
    await (await driver.createSession(gcm)).close();
  });

  it('makes requests wait for memory, in their order', async () => {
    const device = new VirtioCryptodevDevice(await createEngine('openssl'), { queueSize: 64 });
    const transport = new LoopbackTransport(device, { memorySize: 64 * 1024 });
    await using driver = await VirtioCryptodevDriver.open(transport);
    await using hash = await driver.createSession({ hash: 'sha-256' });
    const parts = Array.from({ length: 100 }, (_, i) => new Uint8Array(3000).fill(i));
    const updates = parts.map((part) => hash.update(part));
    const digest = hash.digest();
    await Promise.all(updates);
    assert.deepEqual(Buffer.from(await digest), createHash('sha256').update(Buffer.concat(parts)).digest());
    await assert.rejects(hash.update(new Uint8Array(65_536)), { code: 'CRYPTO_INVALID_DATA_LENGTH' });
  });

  it('has no AEAD, hash, MAC or one-shot request that the device does not offer', async () => {
    const device = new VirtioCryptodevDevice(await createEngine('openssl'));
    Object.defineProperty(device, 'features', { value: 0n });
    await using driver = await VirtioCryptodevDriver.open(new LoopbackTransport(device, memory));
    for (const algorithm of ['aes-gcm', 'sha-256', 'hmac-sha-256'] as const)
      assert.ok(!driver.supports(algorithm));
    const data = new Uint8Array(32);
    const iv = new Uint8Array(16);
    const result = await driver.oneShot({ cipher: 'aes-cbc', key }, { operation: 'encrypt', data, iv });
    assert.equal(result.length, 32);
    assert.equal(device.statistics.sessions, 0);
  });

  it('leaves no session in the device when a copy fails', async () => {
    const device = new VirtioCryptodevDevice(await createEngine('openssl'));
    const without = device.features & ~(1n << BigInt(featureBits.cphash));
    Object.defineProperty(device, 'features', { value: without });
    await using driver = await VirtioCryptodevDriver.open(new LoopbackTransport(device, memory));
    await using session = await driver.createSession({ mac: 'hmac-sha-256', key });
    await assert.rejects(session.copy(), { code: 'CRYPTO_DEVICE_FAILED' });
    assert.equal(device.statistics.sessions, 1);
    assert.equal((await session.digest()).length, 32);
  });

  it('refuses a device of another kind, and one that says it has no version', async () => {
    const other = new VirtioCryptodevDevice(await createEngine('openssl'));
    Object.defineProperty(other, 'deviceId', { value: 4 });
    const unavailable = { code: 'CRYPTO_UNAVAILABLE' };
    await assert.rejects(VirtioCryptodevDriver.open(new LoopbackTransport(other, memory)), unavailable);
    const device = new VirtioCryptodevDevice(await createEngine('openssl'));
    device.config.fill(0);
    await assert.rejects(VirtioCryptodevDriver.open(new LoopbackTransport(device, memory)), unavailable);
    await assert.rejects(openVirtioCryptodev({ engine: 'abacus' as 'node' }));
  });

  it('does not believe what a device must not answer', async () => {
    /** Status, data_len, and what the device says it wrote. */
    const answers: [string, number, number, number][] = [
      ['nothing', 0, 0, 0],
      ['half a header', 0, 116, 16],
      ['no data', 0, 0, 32],
      ['less data than asked for', 0, 99, 32 + 99],
      ['more data than it wrote', 0, 116, 32 + 100],
      ['a data length beyond the memory', 0, 0xffffffff, 32 + 116],
      ['an unknown errno', 999, 0, 32],
    ];
    const device = new VirtioCryptodevDevice(await createEngine('openssl'));
    await using driver = await VirtioCryptodevDriver.open(new LoopbackTransport(device, memory));
    await using session = await driver.createSession(gcm);
    for (const [what, status, dataLength, written] of answers) {
      const honest = device.handle;
      device.handle = (_queue, request) => {
        const response = new Uint8Array(32);
        const header = { status, id: 0, dataLength, ivLength: 0, macLength: 16 };
        encodeResponseHeader(new Uint32Array(response.buffer), header);
        request.writable.copyFrom(0, 32, response);
        request.complete(written);
      };
      const result = session.encrypt(new Uint8Array(100), new Uint8Array(12));
      await assert.rejects(result, { code: 'CRYPTO_DEVICE_FAILED' }, what);
      device.handle = honest;
    }
    assert.equal((await session.encrypt(new Uint8Array(100), new Uint8Array(12))).length, 116);
  });

  it('fails when the device dies, and can still be closed', async () => {
    const transport = await loopback();
    const driver = await VirtioCryptodevDriver.open(transport);
    const session = await driver.createSession(gcm);
    transport.state.break(new VirtioError('VIRTIO_DEVICE_FAILED', 'for the test'));
    const failed = { code: 'CRYPTO_DEVICE_FAILED' };
    await assert.rejects(session.encrypt(new Uint8Array(1), new Uint8Array(12)), failed);
    await assert.rejects(driver.createSession(gcm), failed);
    await driver.close();
    await assert.rejects(driver.createSession(gcm), { code: 'CRYPTO_CLOSED' });
  });

  it('lets the process end, closed or idle', async () => {
    const program = fileURLToPath(new URL('./testing/open-and-leave.ts', import.meta.url));
    const end = (how: string) => promisify(execFile)(process.execPath, [program, how], { timeout: 20_000 });
    await Promise.all([end('close'), end('leave')]);
  });
});
