/**
 * The engines `cryptodev` and `af-alg` in a guest that has both: /dev/crypto is the driver of our device, AF_ALG is
 * Linux's own. All cases that engines and crypto devices share are run there, by Node in the guest.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { debianKernel, findQemu, Guest } from '@skytale/vm';
import { qemuDevice } from '../packages/skytale/src/device/models.ts';
import { serveCrypto } from '../packages/skytale/src/device/served-crypto.ts';
import { loadCryptodevDriver } from '../packages/skytale/src/vm/cryptodev-driver.ts';
import { TemporaryDirectory } from './support/directory.ts';

const program = join(import.meta.dirname, 'support/guest/kernel-engines.ts');

/** What AF_ALG needs for all algorithms that we have names for. */
const modules = [
  ...['algif_skcipher', 'algif_aead', 'algif_hash', 'aes_generic', 'cbc', 'ctr', 'ecb', 'xts', 'cfb', 'ofb'],
  ...['camellia_generic', 'des_generic', 'gcm', 'ccm', 'ghash-generic', 'chacha20poly1305', 'chacha_generic'],
  ...['poly1305_generic', 'hmac', 'md5', 'rmd160', 'sha1_generic', 'sha256_generic', 'sha512_generic'],
];

/** The number that the summary of a run gives for this. */
function count(report: string, what: string): number {
  return Number(new RegExp(`^# ${what} (\\d+)$`, 'm').exec(report)?.[1]);
}

describe('the engines of a kernel', () => {
  it('pass all cases in a guest, with none skipped', async () => {
    const [qemu, kernel] = await Promise.all([findQemu(11), debianKernel('6.1')]);
    using directory = new TemporaryDirectory();
    const socket = directory.join('device');
    await using served = await serveCrypto({
      model: 'virtio-cryptodev',
      engine: 'openssl',
      queues: 1,
      socket,
    });
    const devices = [qemuDevice(qemu, 'virtio-cryptodev', socket, 1)];
    await using guest = await Guest.launch({ qemu, kernel, devices, modules });
    await loadCryptodevDriver(guest, kernel, () => {});
    const command = [process.execPath, '--test-reporter=tap', program];
    const { status, stdout, stderr } = await guest.run(command, { timeout: 600_000 });
    const failures = stdout.split('\n').filter((line) => /^\s*not ok/.test(line));
    assert.deepEqual(failures, [], stderr);
    assert.equal(status, 0, `${stdout.slice(-4000)}${stderr}`);
    assert.ok(count(stdout, 'pass') > 150, stdout.slice(-1000));
    for (const what of ['fail', 'cancelled', 'skipped', 'todo']) assert.equal(count(stdout, what), 0, what);
    guest.assertCleanLog();
    const { requests, sessions } = served.counters();
    assert.ok(requests > 1000, `${requests} requests`);
    assert.equal(sessions, 0);
  });
});
