/**
 * The guest driver's Debian package, installed and removed in a running guest that has the device: the guest itself
 * compiles the module, and its udev loads it. `tests/guest-driver-package.test.ts` tries the same in less time, with the
 * module compiled before the guest boots. Needs root, and some minutes where the processor is emulated.
 *
 *   npx node tests/release/package-in-guest.ts
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { dkmsSystem, findQemu, Guest } from '@skytale/vm';
import { buildPackage } from '../../guest/package.ts';
import { TemporaryDirectory } from '../support/directory.ts';
import { serveCryptodev } from '../support/guest-driver.ts';

/** For one command. The compiler has half a minute's work, which emulation makes many. */
const COMMAND_MILLISECONDS = 1_500_000;

using directory = new TemporaryDirectory();
const archive = await buildPackage(directory.path);
const qemu = await findQemu(11);
const system = await dkmsSystem('bookworm', (message) => console.error(message));
await using served = await serveCryptodev(qemu, 'cryptodev');
await using guest = await Guest.launch({ qemu, system, devices: [served.device], memory: 2048 });

/** By Debian's own programs: busybox's shell, which runs commands otherwise, prefers its own. */
const run = async (script: string): Promise<string> => {
  console.error(`# ${script}`);
  const start = performance.now();
  const output = await guest.check(['/bin/sh', '-ec', script], { timeout: COMMAND_MILLISECONDS });
  console.error(`${output}(${((performance.now() - start) / 1000).toFixed(0)} s)`);
  return output.trim();
};

await run('/lib/systemd/systemd-udevd --daemon');
await guest.check(`cat >/root/${basename(archive)}`, { input: await readFile(archive) });
await run(`cd /root && apt install ./${basename(archive)}`);
assert.match(await run('dkms status'), /: installed$/);
assert.equal(await run("stat -L -c '%U %G %a' /dev/crypto"), 'root crypto 660');
await run('apt-get purge -y virtio-cryptodev-dkms');
assert.equal(await run('dkms status'), '');
assert.equal(await run("find /usr /lib/modules/* -name 'virtio?cryptodev*'"), '');
await run('until rmmod virtio_cryptodev; do sleep 1; done');
guest.assertCleanLog();
