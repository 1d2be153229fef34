/** /dev/crypto in a guest, for programs of both word sizes. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { runAgent } from './support/agent.ts';
import { devCryptoCases } from './support/dev-crypto.cases.ts';
import { GuestBuild, launchCryptodevGuest, obstacle } from './support/guest-driver.ts';

const skip = (await obstacle()) ?? false;

describe('/dev/crypto in a guest', { skip }, () => {
  let build: GuestBuild;
  let vm: Awaited<ReturnType<typeof launchCryptodevGuest>>;

  before(async () => {
    build = await GuestBuild.make('6.1');
    vm = await launchCryptodevGuest(build.kernel, await build.driver());
  });
  after(async () => {
    await vm?.[Symbol.asyncDispose]();
    build?.[Symbol.dispose]();
  });

  for (const [bits, flags] of [
    [64, []],
    [32, ['-m32']],
  ] as const) {
    describe(`${bits}-bit programs`, () => {
      let programs: { agent: string; tool: string };
      before(async () => {
        const program = async (source: string) => `/host${await build.program(source, flags)}`;
        programs = {
          agent: await program('tests/agent.c'),
          tool: await program('cryptodev-tool/cryptodev-tool.c'),
        };
      });
      devCryptoCases(() => ({ guest: vm.guest, ...programs }));

      it('cannot use what the other word size calls CIOCGSESSION', async () => {
        const other = bits === 64 ? '0xc0206366' : '0xc0306366';
        const answers = await runAgent(vm.guest, programs.agent, ['open 0', `ioctl 0 ${other} 0`]);
        assert.deepEqual(answers, ['0', '-22 0']);
      });
    });
  }

  it('left no complaint in the log of the kernel, and nothing on the device', async () => {
    vm.guest.assertCleanLog();
    // The module can go once no file is open, and it takes its devices along.
    await vm.guest.check(
      'sleep 1000 <>/dev/crypto >/dev/null 2>&1 & sleep 0.2; ! rmmod virtio_cryptodev; kill $!',
    );
    await vm.guest.check('until rmmod virtio_cryptodev; do sleep 0.1; done; ! test -e /dev/cryptodev0');
    vm.guest.assertCleanLog();
  });
});
