/** The guest's driver where each queue of a device has a vector, and processors come and go. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Conversation, converse } from './support/agent.ts';
import { blockId } from './support/block-like-device.ts';
import { AES_CBC, encrypt, hex, ivHex, keyHex } from './support/dev-crypto-steps.ts';
import { type CryptodevGuest, GuestBuild, launchCryptodevGuest, obstacle } from './support/guest-driver.ts';

const skip = (await obstacle()) ?? false;

describe("the guest's driver, with a vector for each queue", { skip }, () => {
  let build: GuestBuild;
  let vm: CryptodevGuest;
  let agent: string;

  before(async () => {
    build = await GuestBuild.make('6.1');
    agent = `/host${await build.program('tests/agent.c')}`;
    vm = await launchCryptodevGuest(build.kernel, await build.driver(blockId), { blockLike: true });
  });
  after(async () => {
    await vm?.[Symbol.asyncDispose]();
    build?.[Symbol.dispose]();
  });

  const online = (cpu: number, on: boolean) =>
    vm.guest.check(`echo ${Number(on)} >/sys/devices/system/cpu/cpu${cpu}/online`);

  const assertSpread = async () => {
    const affinities = await vm.guest.check(`
      for irq in /proc/irq/[0-9]*; do
        for queue in $irq/*-requests.*; do test -d $queue && echo \${queue##*.} $(cat $irq/smp_affinity_list); done
      done; true`);
    assert.deepEqual(affinities.trim().split('\n').sort(), ['0 0', '1 1']);
  };

  it('has its interrupts where its requests come from', assertSpread);

  it('answers what goes by the queue of a processor that has gone', async () => {
    const text = Buffer.alloc(48, 0x5a);
    const sealed = hex(encrypt('aes-128-cbc', text));
    const operation = (how: string) => `${how} 0 0 0 0 ${hex(text)} new null ${ivHex}`;
    await using programs = new AsyncDisposableStack();
    const agents: Conversation[] = [];
    // On each processor a program with a file: its queue is that of the processor where it was opened.
    for (const cpu of [0, 1]) {
      const program = programs.use(
        await converse(vm.guest, ['taskset', String(1 << cpu), agent], '/dev/crypto'),
      );
      assert.equal(await program.ask('open 0'), '0');
      assert.equal(await program.ask(`session 0 0 ${AES_CBC} 0 ${keyHex} -`), '0');
      agents.push(program);
    }
    for (const on of [false, true]) {
      await online(1, on);
      for (const [index, { ask }] of agents.entries()) {
        assert.equal(await ask(operation('crypt')), `0 ${sealed} - ${ivHex}`);
        assert.equal(await ask(operation('async')), '0');
        assert.equal(await ask('await 0'), `0 ${Number(on)} ${sealed} - ${ivHex}`, `of processor ${index}`);
      }
    }
    for (const { ask } of agents) assert.equal(await ask('free 0 0'), '0');
    await assertSpread();
    vm.guest.assertCleanLog();
  });
});
