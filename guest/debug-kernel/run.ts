/**
 * Runs the driver in a guest with a kernel of `build.ts`: storms, killing, fuzz, the device taken away under load,
 * processors that go offline, memory that runs out, sleep, allocations that fail; then unloads it and looks for leaks.
 * Fails with what the kernel complained of.
 *
 *   npx node guest/debug-kernel/run.ts [kasan | kcsan] [SECONDS [STEP…]]
 */
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheDirectory, findQemu, type Kernel, kernelSources, runInTree } from '@skytale/vm';
import { blockId } from '../../tests/support/block-like-device.ts';
import { asDisk, launchCryptodevGuest, serveCryptodev } from '../../tests/support/guest-driver.ts';
import { raceReports } from './race-reports.ts';

const [variant = 'kasan', length = '10', ...asked] = process.argv.slice(2);
const seconds = Number(length);
const directory = join(cacheDirectory(), 'debug-kernel');
const read = async (name: string) => (await readFile(join(directory, name), 'utf8')).trim();
const [release, tree] = [await read(`${variant}/release`), await read('tree')];
const kernel: Kernel = {
  source: kernelSources['6.1'],
  release,
  image: join(directory, variant, 'arch/x86/boot/bzImage'),
  modules: join(directory, variant, 'root/lib/modules', release),
};
const programs = ['storm', 'fuzz', 'hog'];
const blockLike = new URL('../../tests/support/block-like-device.ts', import.meta.url);

// Beside the kernel's source, for the driver is built from the tree in which both are.
const copy = await mkdtemp(join(directory, 'guest-'));
try {
  await cp(fileURLToPath(new URL('..', import.meta.url)), copy, { recursive: true });
  const here = `/mnt/${basename(copy)}`;
  const compile = (name: string) =>
    `gcc -static -O2 -I ${here}/driver/include -o ${here}/${name} ${here}/tests/${name}.c`;
  const script = `set -e
    sed -i 's/{ VIRTIO_ID_CRYPTODEV_QEMU, .*/&{ ${blockId}, VIRTIO_DEV_ANY_ID },/' ${here}/driver/main.c
    make -s -C /mnt/${variant} M=${here}/driver modules >&2
    ${programs.map(compile).join('\n')}`;
  await runInTree(tree, directory, ['sh', '-c', script]);

  // Each of its queues has a vector; QEMU lets through no feature that disks do not have, so there are no hashes.
  const options = { queues: 2, queueSize: 256 };
  await using disk = await serveCryptodev(await findQemu(11), 'disk', options, blockLike);
  await using vm = await launchCryptodevGuest(kernel, join(copy, 'driver/virtio_cryptodev.ko'), {
    bootTimeout: 600_000,
    devices: [asDisk(disk.device)],
    // 9p, by which a guest sees the host's files, does not outlast the guest's sleep.
    hostTree: false,
    // Little, so that it is soon gone through
    memory: 512,
    kernelArguments: ['no_console_suspend', ...(variant === 'kcsan' ? ['kcsan.skip_watch=1000'] : [])],
  });
  const { guest } = vm;
  console.error('The guest is up.');
  for (const name of programs)
    await guest.check(`cat >/run/${name} && chmod +x /run/${name}`, {
      input: await readFile(join(copy, name)),
      timeout: 600_000,
    });
  const assertNoComplaint = () => {
    // Of races the whole kernel has many: those count in which the driver has a part.
    const [log, races] = [guest.console.text, raceReports(guest.console.text)];
    const own = races.filter((report) => report.includes('[virtio_cryptodev]'));
    if (own.length > 0) throw new Error(`${own.length} races:\n${own.slice(0, 8).join('\n')}`);
    if (log.includes('BUG: KCSAN') && races.length === 0)
      throw new Error('no report of a race was understood');
    guest.assertCleanLog([/BUG: KCSAN/, /cacheline tracking ENOMEM, dma-debug disabled/]);
  };
  const run = async (command: string) => {
    console.error(`${command}\n${await guest.check(command, { timeout: seconds * 1000 + 300_000 })}`);
    assertNoComplaint();
  };
  const during = (load: string, what: string) => run(`${load} & load=$!; (${what}); wait $load`);
  /** Again and again, as long as the loads are */
  const again = (what: string) =>
    `end=$(($(date +%s) + ${seconds})); while [ $(date +%s) -lt $end ]; do ${what}; done`;
  const bind = `cd /sys/bus/virtio/drivers/virtio_cryptodev
    id=$(basename $(readlink /sys/class/cryptodev/cryptodev0/device))
    sleep 2; echo $id >unbind; sleep 1; echo $id >bind`;
  const storm = (processes: number, ...words: string[]) =>
    ['/run/storm /dev/cryptodev0', processes, seconds, ...words].join(' ');
  const cpu = '/sys/devices/system/cpu/cpu1/online';

  const failures = async () => {
    // Every 20th allocation, and every 100th copy from or to a program, of the processes that ask for it.
    for (const [what, interval] of Object.entries({
      failslab: 20,
      fail_page_alloc: 20,
      fail_usercopy: 100,
    })) {
      const set = (name: string, value: number | string) =>
        `echo ${value} >/sys/kernel/debug/${what}/${name}`;
      const settings = { 'task-filter': 'Y', interval, times: 1e9, verbose: 0, probability: 100 };
      await run(
        Object.entries(settings)
          .map(([name, value]) => set(name, value))
          .join(' && '),
      );
      // Allocations that may wait too, of which the kernel spares some unless told
      if (what !== 'fail_usercopy') await run(set('ignore-gfp-wait', 'N'));
      await run(`/run/fuzz /dev/crypto ${process.pid} ${seconds}`);
      await run(set('probability', 0));
    }
  };
  const sleep = async () => {
    const load = guest.check(storm(8, 'faults'), { timeout: seconds * 1000 + 300_000 });
    load.catch(() => {});
    await guest.check('sleep 1', { timeout: 300_000 });
    // All but the sleep itself, from which so small a kernel does not wake: processes freeze, devices are suspended.
    await guest.check('echo devices >/sys/power/pm_test && echo mem >/sys/power/state', { timeout: 300_000 });
    console.error(await load);
    assertNoComplaint();
  };
  const processors = async () => {
    const comeAndGo = again(`echo 0 >${cpu}; sleep 0.3; echo 1 >${cpu}; sleep 0.3`);
    await during(`/run/storm /dev/cryptodev1 8 ${seconds} ciphers`, comeAndGo);
    await during(`/run/storm /dev/cryptodev1 8 ${seconds} ciphers kill`, comeAndGo);
    await during(storm(8), comeAndGo);
  };
  const move = again('echo 1 >/proc/sys/vm/compact_memory; echo 3 >/proc/sys/vm/drop_caches; sleep 1');
  const steps: Readonly<Record<string, () => Promise<void>>> = {
    storm: () => run(storm(16)),
    kill: () => run(storm(8, 'kill')),
    fuzz: () => run(`/run/fuzz /dev/crypto ${process.pid} ${seconds}`),
    unbind: () => during(storm(8, 'faults'), bind),
    processors,
    sleep,
    pressure: () => during(storm(8, 'faults'), `/run/hog ${seconds} & hog=$!; ${move}; wait $hog`),
    // The last, as the checks of DMA end with the first allocation of theirs that fails.
    failures,
  };
  await run('mount -t debugfs debugfs /sys/kernel/debug && echo 1 >/sys/kernel/debug/dma-api/all_errors');
  for (const [name, step] of Object.entries(steps)) {
    if (asked.length > 0 && !asked.includes(name)) continue;
    console.error(`${new Date().toISOString()} ${name}`);
    await step().catch((error) => {
      console.error(guest.console.text.slice(-8000));
      throw error;
    });
  }
  await run('until rmmod virtio_cryptodev; do sleep 0.5; done');
  if (variant === 'kasan')
    await run(
      'cd /sys/kernel/debug && echo scan >kmemleak && sleep 6 && echo scan >kmemleak && cat kmemleak',
    );
  // What is still mapped for the device is complained of once it has no driver at all.
  await run(`cd /sys/bus/pci/drivers/virtio-pci
    for device in 0000:*; do case $(cat $device/device) in 0x1055|0x1042) echo $device >unbind; echo $device;; esac; done
    [ $(cat /sys/kernel/debug/dma-api/error_count) -eq 0 ]`);
  console.error('The kernel has nothing to complain of.');
} finally {
  await rm(copy, { recursive: true, force: true });
}
