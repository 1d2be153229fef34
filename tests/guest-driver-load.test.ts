/**
 * The guest's driver under load: many processes at once, killed at random, forking and closing in the middle; ioctls
 * with arguments that are wrong in every way; devices that come, go, stop answering and are taken from their driver.
 * `SKYTALE_STORM_SECONDS` makes the storms longer than the few seconds that every run has.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { runAgent } from './support/agent.ts';
import { GuestBuild, launchCryptodevGuest, obstacle, serveCryptodev } from './support/guest-driver.ts';

const skip = (await obstacle()) ?? false;
const seconds = Number(process.env.SKYTALE_STORM_SECONDS ?? 5);

/** What the storm says at its end */
type Totals = { operations: number; files: number; faults: number; killed: number; wrong: number };

describe('the guest driver under load', { skip }, () => {
  let build: GuestBuild;
  let vm: Awaited<ReturnType<typeof launchCryptodevGuest>>;
  let programs: { agent: string; storm: string; fuzz: string };

  before(async () => {
    build = await GuestBuild.make('6.1');
    const module = await build.driver();
    const program = async (name: string) => `/host${await build.program(`tests/${name}.c`)}`;
    programs = { agent: await program('agent'), storm: await program('storm'), fuzz: await program('fuzz') };
    vm = await launchCryptodevGuest(build.kernel, module, { hotplugSlots: 1 });
  });
  after(async () => {
    await vm?.[Symbol.asyncDispose]();
    build?.[Symbol.dispose]();
  });

  async function storm(
    device: string,
    processes: number,
    duration: number,
    ...words: string[]
  ): Promise<Totals> {
    const command = [programs.storm, device, String(processes), String(duration), ...words];
    const output = await vm.guest.check(command, { timeout: duration * 1000 + 120_000 });
    const numbers = [...output.matchAll(/(\w+) (\d+)/g)].map(([, name, value]) => [name, Number(value)]);
    return Object.fromEntries(numbers);
  }

  const setParameter = (name: string, value: number) =>
    vm.guest.check(`echo ${value} >/sys/module/virtio_cryptodev/parameters/${name}`);
  /** A session on the device works. */
  const works = async (device: string) => {
    const steps = [
      'open 0',
      `session 0 0 11 0 ${'00'.repeat(16)} -`,
      `crypt 0 0 0 0 ${'00'.repeat(16)} new null null`,
    ];
    const input = `${steps.join('\n')}\n`;
    const output = await vm.guest.check([programs.agent, device], { input });
    assert.match(output, /^0\n0\n0 66e94bd4ef8a2c3b884cfa59ca342b2e /);
  };
  const until = (condition: string) => vm.guest.check(`until ${condition}; do sleep 0.05; done`);

  it('serves 32 processes at once', async () => {
    const { operations, faults, wrong } = await storm('/dev/crypto', 32, seconds);
    assert.ok(operations > 100, `${operations} operations`);
    assert.deepEqual({ faults, wrong }, { faults: 0, wrong: 0 });
    vm.guest.assertCleanLog();
  });

  it('outlasts processes that are killed in the middle of it', async () => {
    const { killed, wrong } = await storm('/dev/crypto', 16, seconds, 'kill');
    assert.ok(killed > 10, `${killed} killed`);
    assert.equal(wrong, 0);
    await works('/dev/crypto');
    vm.guest.assertCleanLog();
  });

  it('outlasts ioctls with arguments of all kinds', async (test) => {
    const seed = randomInt(1, 2 ** 31);
    test.diagnostic(`seed ${seed}`);
    const command = [programs.fuzz, '/dev/crypto', String(seed), String(seconds)];
    const output = await vm.guest.check(command, { timeout: seconds * 1000 + 60_000 });
    const steps = Number(/steps (\d+)/.exec(output)?.[1]);
    assert.ok(steps > 100, `seed ${seed}: ${steps} steps`);
    await works('/dev/crypto');
    vm.guest.assertCleanLog();
  });

  it('lets the device be taken from it under load, and has it again', async () => {
    const devices = '/sys/bus/virtio/drivers/virtio_cryptodev';
    const id = (await vm.guest.check(`ls ${devices} | grep virtio`)).trim();
    const load = storm('/dev/cryptodev0', 8, 4, 'faults');
    load.catch(() => {});
    await vm.guest.check(`sleep 1; echo ${id} >${devices}/unbind; sleep 0.5; echo ${id} >${devices}/bind`);
    const { faults, operations, wrong } = await load;
    assert.ok(faults > 0 && operations > 0);
    assert.equal(wrong, 0);
    await works('/dev/cryptodev0');
    vm.guest.assertCleanLog();
  });

  it('takes devices while it runs; one that is unplugged fails what is open', async () => {
    await using second = await serveCryptodev(vm.qemu, 'second');
    for (let round = 0; round < 2; round++) {
      await vm.guest.plug(second.device);
      await until('test -e /dev/cryptodev1');
      await works('/dev/cryptodev1');
      const load = storm('/dev/cryptodev1', 8, 3, 'faults');
      load.catch(() => {});
      const child = await vm.guest.spawn([programs.agent, '/dev/cryptodev1']);
      child.stdin.write(`open 0\nsession 0 0 11 0 ${'00'.repeat(16)} -\n`);
      await vm.guest.check('sleep 1');
      await vm.guest.unplug(second.device);
      await until('! test -e /dev/cryptodev1');
      child.stdin.end(`crypt 0 0 0 0 ${'00'.repeat(16)} new null null\npoll 0\nfree 0 0\nclose 0\n`);
      const answers = (await child.stdout.toArray()).join('').split('\n');
      assert.deepEqual([answers[2]?.split(' ')[0], ...answers.slice(3, 6)], ['-19', '0x104', '-19', '0']);
      assert.equal((await load).wrong, 0);
    }
    await works('/dev/crypto');
    vm.guest.assertCleanLog();
  });

  it('gives up on a device that no longer answers; nothing hangs, and a new one serves', async () => {
    await setParameter('timeout_ms', 500);
    {
      await using stopped = await serveCryptodev(vm.qemu, 'stopped');
      await vm.guest.plug(stopped.device);
      await until('test -e /dev/cryptodev1');
      const session = `session 0 0 11 0 ${'00'.repeat(16)} -`;
      const child = await vm.guest.spawn([programs.agent, '/dev/cryptodev1']);
      const replies = child.stdout.iterator({ destroyOnReturn: false });
      child.stdin.write(`open 0\n${session}\n`);
      await replies.next();
      const load = storm('/dev/cryptodev1', 8, 3, 'faults');
      load.catch(() => {});
      await vm.guest.check('sleep 1');
      await stopped[Symbol.asyncDispose]();
      const data = '00'.repeat(16);
      child.stdin.end(
        `crypt 0 0 0 0 ${data} new null null\nasync 0 0 0 0 ${data} new null null\nawait 0\nclose 0\n`,
      );
      const rest = [];
      for await (const piece of replies) rest.push(piece);
      assert.match(rest.join(''), /(^|\n)-110 [^\n]*\n0\n-110 -1 [^\n]*\n0\n$/);
      const { faults, wrong } = await load;
      assert.ok(faults > 0);
      assert.equal(wrong, 0);
      await vm.guest.unplug(stopped.device);
      await until('! test -e /dev/cryptodev1');
    }
    await setParameter('timeout_ms', 30_000);
    await using anew = await serveCryptodev(vm.qemu, 'anew');
    await vm.guest.plug(anew.device);
    await until('test -e /dev/cryptodev1');
    await works('/dev/cryptodev1');
    await vm.guest.unplug(anew.device);
    vm.guest.assertCleanLog();
  });

  it('has left nothing open on the device', async () => {
    // As many files as the device has handles: none is held by what was killed, or never waited for.
    const opens = Array.from({ length: 15 }, (_, index) => `open ${index}`);
    const answers = await runAgent(vm.guest, programs.agent, opens);
    assert.deepEqual(new Set(answers), new Set(['0']));
    await vm.guest.check('rmmod virtio_cryptodev');
    vm.guest.assertCleanLog();
  });
});
