/** The guest's driver in kernels of today, and the sleep of a guest, in each of them. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import type { KernelName } from '@skytale/vm';
import { devCryptoCases } from './support/dev-crypto.cases.ts';
import { GuestBuild, launchCryptodevGuest, obstacle, sleepAndWake } from './support/guest-driver.ts';

const kernels: readonly KernelName[] = ['6.1', '6.12', 'newest', '6.1-arm64'];
const skip = (await obstacle(kernels)) ?? false;

for (const name of kernels) {
  describe(`the guest driver in Linux ${name}`, { skip }, () => {
    let vm: Awaited<ReturnType<typeof launchCryptodevGuest>>;

    before(async () => {
      using build = await GuestBuild.make(name);
      // Without the host's files: 9p, by which a guest sees them, does not outlast the guest's sleep.
      vm = await launchCryptodevGuest(build.kernel, await build.driver(), { hostTree: false });
      for (const source of ['tests/agent.c', 'tests/storm.c', 'cryptodev-tool/cryptodev-tool.c']) {
        const file = `/run/${source.replace(/.*\/|\.c$/g, '')}`;
        const input = await readFile(await build.program(source));
        await vm.guest.check(`cat >${file} && chmod +x ${file}`, { input });
      }
    });
    after(() => vm?.[Symbol.asyncDispose]());

    // Linux 6.1 has these in tests of its own.
    if (name !== '6.1') {
      devCryptoCases(() => ({ guest: vm.guest, agent: '/run/agent', tool: '/run/cryptodev-tool' }), 60);

      it('serves many processes, some of them killed', async () => {
        assert.match(await vm.guest.check('/run/storm /dev/crypto 8 1'), / faults 0 .* wrong 0\n/);
        assert.match(await vm.guest.check('/run/storm /dev/crypto 8 1 kill'), /killed [1-9]\d* wrong 0\n/);
        vm.guest.assertCleanLog();
      });
    }

    it('is unloaded and loaded', async () => {
      await vm.guest.check('until rmmod virtio_cryptodev; do sleep 0.1; done; ! test -e /dev/cryptodev0');
      await vm.guest.check('insmod /run/driver.ko && /run/storm /dev/cryptodev0 4 1');
      vm.guest.assertCleanLog();
    });

    // In the newest, the ports by which commands come and go have ended when the guest wakes; the machine of ARM has no S3.
    if (name === '6.1' || name === '6.12') {
      it('sleeps and wakes under load; sessions of before are lost, files and what is opened work', async (test) => {
        const [key, data] = ['00'.repeat(24), 'rand:1:1048576'];
        const jobs = Array.from({ length: 60 }, () => `async 0 0 0 0 ${data} same null null\n`);
        // Slow enough to be under way when the guest goes to sleep: triple DES
        const child = await vm.guest.spawn(['/run/agent']);
        child.stdin.write(`open 0\nsession 0 0 2 0 ${key} -\n${jobs.join('')}`);
        const load = vm.guest.check('/run/storm /dev/crypto 8 6 faults');
        load.catch(() => {});
        await vm.guest.check('sleep 1');
        await sleepAndWake(vm.guest);
        const fetches = jobs.map(() => 'await 0\n').join('');
        const crypt = (slot: number) => `crypt 0 ${slot} 0 0 ${data} new null null`;
        const after = [
          [crypt(0), '-19'],
          ['poll 0', '0x114'],
          ['cphash 0 0 0', '-35'],
          // A file is opened anew on the device when somebody wants a session of it.
          [`session 0 1 2 0 ${key} -`, '0'],
          ['poll 0', '0x104'],
          [crypt(1), '0'],
          // The device may call the new one what it called the lost one.
          [crypt(0), '-19'],
          ['info 0 0', '-19'],
          [jobs[0]!.trim(), '0'],
          ['await 0', '-19'],
          ['free 0 0', '-19'],
          [crypt(0), '-22'],
          ['free 0 1', '0'],
          ['close 0', '0'],
        ] as const;
        child.stdin.end(fetches + after.map(([step]) => `${step}\n`).join(''));
        const answers = (await child.stdout.toArray()).join('').split('\n');
        const fetched = answers.slice(62, 122).map((answer) => answer.split(' ')[0]);
        test.diagnostic(
          `${fetched.filter((result) => result === '0').length} of ${fetched.length} were done before`,
        );
        assert.ok(
          fetched.every((result) => result === '0' || result === '-19'),
          fetched.join(),
        );
        assert.deepEqual(
          answers.slice(122).map((answer) => answer.split(' ')[0]),
          [...after.map(([, answer]) => answer), ''],
        );
        assert.match(await load, /faults [1-9]\d* .* wrong 0\n/);
        assert.match(await vm.guest.check('/run/storm /dev/crypto 4 1'), / faults 0 .* wrong 0\n/);
        vm.guest.assertCleanLog();
      });
    }
  });
}
