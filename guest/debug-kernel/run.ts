/**
 * Runs the driver in a guest with the kernel of `build.ts`: storms, killing, fuzz, the device taken away under load,
 * allocations that fail; then unloads it and looks for leaks. Fails with what the kernel complained of.
 *
 *   npx node guest/debug-kernel/run.ts [SECONDS]
 */
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheDirectory, type Kernel, kernelSources, runInTree } from '@skytale/vm';
import { launchCryptodevGuest } from '../../tests/support/guest-driver.ts';

const seconds = Number(process.argv[2] ?? 10);
const directory = join(cacheDirectory(), 'debug-kernel');
const read = async (name: string) => (await readFile(join(directory, name), 'utf8')).trim();
const [release, tree] = [await read('release'), await read('tree')];
const kernel: Kernel = {
  source: kernelSources['6.1'],
  release,
  image: join(directory, 'linux/arch/x86/boot/bzImage'),
  modules: join(directory, 'root/lib/modules', release),
};

// Beside the kernel's source, for the driver is built from the tree in which both are.
const copy = await mkdtemp(join(directory, 'guest-'));
try {
  await cp(fileURLToPath(new URL('..', import.meta.url)), copy, { recursive: true });
  const here = `/mnt/${basename(copy)}`;
  const compile = (name: string) =>
    `gcc -static -O2 -I ${here}/driver/include -o ${here}/${name} ${here}/tests/${name}.c`;
  const script = `set -e
    make -s -C /mnt/linux M=${here}/driver modules >&2
    ${compile('storm')}
    ${compile('fuzz')}`;
  await runInTree(tree, directory, ['sh', '-c', script]);

  await using vm = await launchCryptodevGuest(kernel, join(copy, 'driver/virtio_cryptodev.ko'), {
    bootTimeout: 600_000,
  });
  const { guest } = vm;
  const run = async (command: string) => {
    console.error(`${command}\n${await guest.check(command, { timeout: seconds * 1000 + 300_000 })}`);
    guest.assertCleanLog();
  };
  const bind = `cd /sys/bus/virtio/drivers/virtio_cryptodev; id=$(ls -d virtio*)
    sleep 2; echo $id >unbind; sleep 1; echo $id >bind`;
  await run(`/host${copy}/storm /dev/crypto 16 ${seconds}`);
  await run(`/host${copy}/storm /dev/crypto 8 ${seconds} kill`);
  await run(`/host${copy}/fuzz /dev/crypto ${process.pid} ${seconds}`);
  await run(`/host${copy}/storm /dev/cryptodev0 8 ${seconds} faults & (${bind}); wait`);
  await run('mount -t debugfs debugfs /sys/kernel/debug');
  // Every 20th allocation, and every 100th copy from or to a program, of the processes that ask for it.
  for (const [what, interval] of Object.entries({ failslab: 20, fail_page_alloc: 20, fail_usercopy: 100 })) {
    const set = (name: string, value: number | string) => `echo ${value} >/sys/kernel/debug/${what}/${name}`;
    const settings = { 'task-filter': 'Y', interval, times: 1e9, verbose: 0, probability: 100 };
    await run(
      Object.entries(settings)
        .map(([name, value]) => set(name, value))
        .join(' && '),
    );
    // Allocations that may wait too, of which the kernel spares some unless told
    if (what !== 'fail_usercopy') await run(set('ignore-gfp-wait', 'N'));
    await run(`/host${copy}/fuzz /dev/crypto ${process.pid} ${seconds}`);
    await run(set('probability', 0));
  }
  await run('until rmmod virtio_cryptodev; do sleep 0.5; done');
  await run('cd /sys/kernel/debug && echo scan >kmemleak && sleep 6 && echo scan >kmemleak && cat kmemleak');
  console.error('The kernel has nothing to complain of.');
} finally {
  await rm(copy, { recursive: true, force: true });
}
