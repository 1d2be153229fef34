/** Whose memory a device writes to, and until when; how much memory a program can have of the guest's driver. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { converse } from './support/agent.ts';
import { AES_CBC, EBUSY, encrypt, fnv, keyHex, pseudoRandom } from './support/dev-crypto-steps.ts';
import {
  type CryptodevGuest,
  GuestBuild,
  launchCryptodevGuest,
  obstacle,
  plugAnother,
  setParameter,
} from './support/guest-driver.ts';
import { keepAll, releaseAll } from './support/wrong-device.ts';

const skip = (await obstacle()) ?? false;
const wrongDevice = new URL('./support/wrong-device.ts', import.meta.url);

describe("memory and the guest's driver", { skip }, () => {
  let build: GuestBuild;
  let vm: CryptodevGuest;
  let agent: string;

  before(async () => {
    build = await GuestBuild.make('6.1');
    agent = `/host${await build.program('tests/agent.c')}`;
    vm = await launchCryptodevGuest(build.kernel, await build.driver(), { hotplugSlots: 1 });
  });
  after(async () => {
    await vm?.[Symbol.asyncDispose]();
    build?.[Symbol.dispose]();
  });

  describe('after a device was silent for longer than programs wait', () => {
    const session = `session 0 0 ${AES_CBC} 0 ${keyHex} -`;
    const small = (number = 0) => `crypt 0 0 0 ${number << 8} ${'5a'.repeat(16)} new null null`;
    const zeros = Buffer.alloc(16);
    const sealed = (length: number) => fnv(encrypt('aes-128-cbc', pseudoRandom(1, length), undefined, zeros));
    const large = (how: 'crypt' | 'async', length: number) =>
      `${how} 0 0 0 0 rand:1:${length} new null ${zeros.toString('hex')}`;

    /** Two programs on a device that keeps what it is asked for from now on */
    async function twoPrograms() {
      await using stack = new AsyncDisposableStack();
      stack.use(await plugAnother(vm, { queues: 1 }, wrongDevice));
      const first = stack.use(await converse(vm.guest, agent, '/dev/cryptodev1'));
      const second = stack.use(await converse(vm.guest, agent, '/dev/cryptodev1'));
      for (const { ask } of [first, second]) {
        assert.equal(await ask('open 0'), '0');
        assert.equal(await ask(session), '0');
      }
      assert.match(await second.ask(small(keepAll)), /^0 /);
      await setParameter(vm.guest, 'timeout_ms', 100);
      const owned = stack.move();
      return {
        first,
        second,
        /** Has the time be over for all that was asked for before. */
        async waitInVain() {
          assert.match(await second.ask(small()), /^-110 /);
        },
        async release() {
          await setParameter(vm.guest, 'timeout_ms', 30_000);
          assert.match(await second.ask(small(releaseAll)), /^0 /);
        },
        [Symbol.asyncDispose]: () => owned.disposeAsync(),
      };
    }

    it("it writes to no program's memory of which that was told that the operation failed", async () => {
      await using programs = await twoPrograms();
      const answer = programs.first.ask(large('crypt', 65_536));
      await programs.waitInVain();
      await programs.waitInVain();
      await programs.release();
      assert.equal(await answer, `0 ${sealed(65_536)} - ${zeros.toString('hex')}`);
      assert.equal(await programs.first.ask('again'), ` ${sealed(65_536)}`);
      vm.guest.assertCleanLog();
    });

    it('the same of asynchronous operations', async () => {
      await using programs = await twoPrograms();
      const { ask } = programs.first;
      assert.equal(await ask(large('async', 65_536)), '0');
      await programs.waitInVain();
      assert.match(await ask('fetch 0'), new RegExp(`^${EBUSY} -1 `));
      assert.equal(await ask('poll 0'), '0x104');
      await programs.release();
      assert.equal(await ask('await 0'), `0 0 ${sealed(65_536)} - ${zeros.toString('hex')}`);
      vm.guest.assertCleanLog();
    });

    it('the same of files that were closed', async () => {
      await using programs = await twoPrograms();
      const { ask } = programs.first;
      for (let job = 0; job < 64; job++) assert.equal(await ask(large('async', 8192)), '0');
      const [closed, again] = [ask('close 0'), ask('again')];
      await programs.waitInVain();
      await programs.waitInVain();
      await programs.release();
      assert.equal(await closed, '0');
      assert.equal(await again, ` ${sealed(8192)}`);
      vm.guest.assertCleanLog();
    });

    it('who waits for it can be killed', async () => {
      await using programs = await twoPrograms();
      const answer = programs.first.ask(large('crypt', 65_536));
      await programs.waitInVain();
      await programs.waitInVain();
      await programs.first[Symbol.asyncDispose]();
      assert.equal(await answer, 'undefined');
      await programs.release();
      vm.guest.assertCleanLog();
    });
  });
});
