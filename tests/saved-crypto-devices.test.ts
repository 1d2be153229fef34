/** Crypto devices that are saved and put back under their drivers, by the transport that a machine in v86 has. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  createEngine,
  VirtioCryptoDevice,
  VirtioCryptoDriver,
  VirtioCryptodevDevice,
  VirtioCryptodevDriver,
} from '@skytale/cryptodev';
import { unsavable } from '@skytale/v86-host';
import { PciTransport, TestFunction } from '../packages/v86-host/src/testing/pci-transport.ts';

const options = { cipher: 'aes-cbc', key: new Uint8Array(16).fill(1) } as const;
const data = new Uint8Array(64);
const iv = new Uint8Array(16);
/** Of what driver and device share: two queues of 1024, and what is asked in them. */
const memorySize = 4 * 1024 * 1024;

async function putBack(fn: TestFunction): Promise<void> {
  await fn.restoreState(await fn.save());
}

describe('virtio-crypto', () => {
  it('goes on with its sessions', async () => {
    const device = new VirtioCryptoDevice(await createEngine('openssl'), { savesSessions: true });
    const fn = new TestFunction(device, memorySize);
    await using driver = await VirtioCryptoDriver.open(new PciTransport(fn));
    await using session = await driver.createSession(options);
    const before = await session.encrypt(data, iv);
    await putBack(fn);
    assert.deepEqual(await session.encrypt(data, iv), before);
    await using another = await driver.createSession({ ...options, key: iv });
    assert.notDeepEqual(await another.encrypt(data, iv), before);
  });

  it('refuses what is asked of sessions that were not saved, and makes new ones', async () => {
    const fn = new TestFunction(new VirtioCryptoDevice(await createEngine('openssl')), memorySize);
    await using driver = await VirtioCryptoDriver.open(new PciTransport(fn));
    const lost = await driver.createSession(options);
    await putBack(fn);
    await using another = await driver.createSession(options);
    await assert.rejects(lost.encrypt(data, iv));
    assert.equal((await another.encrypt(data, iv)).length, data.length);
  });
});

describe('virtio-cryptodev', () => {
  it('asks its driver for a reset, and serves it after that', async () => {
    const device = new VirtioCryptodevDevice(await createEngine('openssl'));
    const fn = new TestFunction(unsavable(device));
    const transport = new PciTransport(fn);
    const driver = await VirtioCryptodevDriver.open(transport);
    const lost = await driver.createSession(options);
    await putBack(fn);
    assert.equal((await transport.broken).code, 'VIRTIO_NEEDS_RESET');
    await assert.rejects(lost.encrypt(data, iv));
    await transport.reset();
    assert.deepEqual([device.statistics.handles, device.statistics.sessions], [0, 0]);
    await using again = await VirtioCryptodevDriver.open(transport);
    await using session = await again.createSession(options);
    assert.equal((await session.encrypt(data, iv)).length, data.length);
  });
});
