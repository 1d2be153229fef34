/**
 * The guest's driver under load: many processes at once, killed at random, forking and closing in the middle; ioctls
 * with arguments that are wrong in every way; devices that come, go, stop answering and are taken from their driver.
 * `SKYTALE_STORM_SECONDS` is how long 32 processes are at it, minutes in CI; the other storms are shorter.
 */
import assert from 'node:assert/strict';
import { createHash, createHmac, randomBytes, randomInt } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { converse, runAgent } from './support/agent.ts';
import {
  AES_CBC,
  CTR,
  DES_EDE3,
  digestIn64,
  EINVAL,
  encrypt,
  FINAL,
  fnv,
  GCM,
  hex,
  ivHex,
  NO_ZC,
  playSteps,
  pseudoRandom,
  RESET,
  SHA1,
  SHA1_HMAC,
  UPDATE,
  untouched,
  WRITE_IV,
  XTS,
} from './support/dev-crypto-steps.ts';
import {
  type CryptodevGuest,
  GuestBuild,
  launchCryptodevGuest,
  obstacle,
  plugAnother,
  serveCryptodev,
  setParameter,
  until,
} from './support/guest-driver.ts';
import { firstWrongHead, keepNext, operationLies, sessionLies, wrongHeads } from './support/wrong-device.ts';

const skip = (await obstacle()) ?? false;
const longest = Number(process.env.SKYTALE_STORM_SECONDS ?? 5);
const seconds = Math.min(longest, 20);

/** Files that the device can have open, fewer than it has by itself */
const handles = 256;
const wrongDevice = new URL('./support/wrong-device.ts', import.meta.url);
const slowDevice = new URL('./support/slow-device.ts', import.meta.url);

/** A step of the agent's, its answer, and what the device does wrong in it */
type Step = readonly [step: string, answer: string | RegExp, lie?: string];

/** How operations were answered, found by looking or at interrupts; and for how many nanoseconds is looked now */
type Answers = { looked: number; interrupted: number; window: number };

/** What the storm says at its end */
type Totals = { operations: number; files: number; faults: number; killed: number; wrong: number };

describe('the guest driver under load', { skip }, () => {
  let build: GuestBuild;
  let vm: CryptodevGuest;
  let programs: { agent: string; storm: string; fuzz: string; shortFuzz: string };

  before(async () => {
    build = await GuestBuild.make('6.1');
    const module = await build.driver();
    const program = async (name: string, flags: readonly string[] = []) =>
      `/host${await build.program(`tests/${name}.c`, flags)}`;
    programs = {
      agent: await program('agent'),
      storm: await program('storm'),
      fuzz: await program('fuzz'),
      shortFuzz: await program('fuzz', ['-m32']),
    };
    vm = await launchCryptodevGuest(build.kernel, module, {
      hotplugSlots: 1,
      device: { maxHandles: handles },
    });
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

  /** A session on the device works. */
  const works = async (device: string) => {
    const steps = [
      'open 0',
      `session 0 0 11 0 ${'00'.repeat(16)} -`,
      `crypt 0 0 0 0 ${'00'.repeat(16)} new null null`,
    ];
    const answers = await runAgent(vm.guest, programs.agent, steps, device);
    assert.match(answers.join('\n'), /^0\n0\n0 66e94bd4ef8a2c3b884cfa59ca342b2e /);
  };

  it('serves 32 processes at once', async () => {
    const { operations, faults, wrong } = await storm('/dev/crypto', 32, longest);
    assert.ok(operations > 100, `${operations} operations`);
    assert.deepEqual({ faults, wrong }, { faults: 0, wrong: 0 });
    vm.guest.assertCleanLog();
  });

  it('serves few, whose requests are now alone in a queue and now not, whether it polls for answers or sleeps', async () => {
    const parameter = '/sys/module/virtio_cryptodev/parameters/poll_us';
    const kept = Number(await vm.guest.check(`cat ${parameter}`));
    for (const microseconds of [0, 1000]) {
      await setParameter(vm.guest, 'poll_us', microseconds);
      const { operations, faults, wrong } = await storm('/dev/crypto', 3, Math.ceil(seconds / 2));
      assert.ok(operations > 100, `${operations} operations`);
      assert.deepEqual({ faults, wrong }, { faults: 0, wrong: 0 });
    }
    await setParameter(vm.guest, 'poll_us', kept);
    vm.guest.assertCleanLog();
  });

  it('looks for answers where that gains something, for all in the queue, and sleeps where it does not', async () => {
    const counts = async () => {
      const text = await vm.guest.check('cd /sys/class/cryptodev/cryptodev1/queues && grep . *');
      const numbers = [...text.matchAll(/(\w+):(\d+)/g)].map(([, name, value]) => [name, Number(value)]);
      return Object.fromEntries(numbers) as Record<
        'interrupts' | 'interrupt_answers' | 'looked_answers' | 'poll_window',
        number
      >;
    };
    /** What a program does on another device, and how so many operations of its were answered */
    async function another(
      module: URL | undefined,
      use: (operations: (count: number) => Promise<Answers>) => Promise<void>,
    ) {
      await using _device = await plugAnother(vm, { queues: 1 }, module);
      await using program = await converse(vm.guest, programs.agent, '/dev/cryptodev1');
      const operations = async (count: number) => {
        const before = await counts();
        for (let i = 0; i < count; i++)
          assert.match(await program.ask(`crypt 0 0 0 0 ${'5a'.repeat(16)} new null null`), /^0 /);
        const after = await counts();
        const [looked, interrupted] = (['looked_answers', 'interrupt_answers'] as const).map(
          (name) => after[name] - before[name],
        ) as [number, number];
        assert.equal(looked + interrupted, count);
        return { looked, interrupted, window: after.poll_window };
      };
      assert.equal(await program.ask('open 0'), '0');
      assert.equal(await program.ask(`session 0 0 ${AES_CBC} 0 ${'00'.repeat(16)} -`), '0');
      await use(operations);
    }
    const kept = Number(await vm.guest.check('cat /sys/module/virtio_cryptodev/parameters/poll_us'));
    await another(undefined, async (operations) => {
      await setParameter(vm.guest, 'poll_us', 0);
      assert.equal((await operations(50)).interrupted, 50);
      await setParameter(vm.guest, 'poll_us', 1000);
      let [looked, rounds] = [0, 0];
      for (; looked === 0 && rounds < 20; rounds++) looked = (await operations(50)).looked;
      assert.ok(looked > 0, `none found by looking in ${rounds} rounds`);
      // Of four processes not each answer needs an interrupt.
      const before = await counts();
      const command = [programs.storm, '/dev/cryptodev1', '4', '2', 'ciphers'];
      await vm.guest.check(command, { timeout: 120_000 });
      const after = await counts();
      const interrupts = after.interrupts - before.interrupts;
      const answers =
        after.looked_answers + after.interrupt_answers - before.looked_answers - before.interrupt_answers;
      assert.ok(interrupts < answers, `${interrupts} interrupts for ${answers} answers`);
      assert.ok(after.looked_answers > before.looked_answers);
    });
    await another(slowDevice, async (operations) => {
      await operations(20);
      const { looked, interrupted, window } = await operations(10);
      assert.deepEqual({ looked, interrupted, window }, { looked: 0, interrupted: 10, window: 0 });
    });
    await setParameter(vm.guest, 'poll_us', kept);
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
    // Programs of both word sizes at once
    const fuzzers = [programs.fuzz, programs.shortFuzz].map(async (program) => {
      const command = [program, '/dev/crypto', String(seed), String(seconds)];
      const output = await vm.guest.check(command, { timeout: seconds * 1000 + 60_000 });
      const steps = Number(/steps (\d+)/.exec(output)?.[1]);
      assert.ok(steps > 100, `seed ${seed}: ${steps} steps`);
    });
    await Promise.all(fuzzers);
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
      await until(vm.guest, 'test -e /dev/cryptodev1');
      await works('/dev/cryptodev1');
      const load = storm('/dev/cryptodev1', 8, 3, 'faults');
      load.catch(() => {});
      const child = await vm.guest.spawn([programs.agent, '/dev/cryptodev1']);
      child.stdin.write(`open 0\nsession 0 0 11 0 ${'00'.repeat(16)} -\n`);
      // Who polls hears of it.
      await using polling = await converse(vm.guest, programs.agent, '/dev/cryptodev1');
      assert.equal(await polling.ask('open 0'), '0');
      const hung = polling.ask('pollin 0');
      await vm.guest.check('sleep 1');
      await vm.guest.unplug(second.device);
      assert.equal(await hung, '0x114');
      await until(vm.guest, '! test -e /dev/cryptodev1');
      child.stdin.end(`crypt 0 0 0 0 ${'00'.repeat(16)} new null null\npoll 0\nfree 0 0\nclose 0\n`);
      const answers = (await child.stdout.toArray()).join('').split('\n');
      assert.deepEqual([answers[2]?.split(' ')[0], ...answers.slice(3, 6)], ['-19', '0x114', '-19', '0']);
      assert.equal((await load).wrong, 0);
    }
    await works('/dev/crypto');
    vm.guest.assertCleanLog();
  });

  it('gives up on a device that no longer answers; nothing hangs, and a new one serves', async () => {
    await setParameter(vm.guest, 'timeout_ms', 500);
    {
      await using stopped = await serveCryptodev(vm.qemu, 'stopped');
      await vm.guest.plug(stopped.device);
      await until(vm.guest, 'test -e /dev/cryptodev1');
      const sessions = `session 0 0 11 0 ${'00'.repeat(16)} -\nsession 0 1 0 ${SHA1} - -`;
      const child = await vm.guest.spawn([programs.agent, '/dev/cryptodev1']);
      const replies = child.stdout.iterator({ destroyOnReturn: false });
      child.stdin.write(`open 0\n${sessions}\n`);
      await replies.next();
      const load = storm('/dev/cryptodev1', 8, 3, 'faults');
      load.catch(() => {});
      await vm.guest.check('sleep 1');
      await stopped[Symbol.asyncDispose]();
      const data = '00'.repeat(16);
      child.stdin.end(
        `crypt 0 0 0 0 ${data} new null null\nasync 0 1 0 0 ${data} null room null\nawait 0\nclose 0\n`,
      );
      const rest = [];
      for await (const piece of replies) rest.push(piece);
      assert.match(rest.join(''), /(^|\n)-110 [^\n]*\n0\n-110 -1 [^\n]*\n0\n$/);
      // Who has handed over pages for the result waits until the device can no longer write to them.
      await vm.guest.unplug(stopped.device);
      await until(vm.guest, '! test -e /dev/cryptodev1');
      const { faults, wrong } = await load;
      assert.ok(faults > 0);
      assert.equal(wrong, 0);
    }
    await setParameter(vm.guest, 'timeout_ms', 30_000);
    await using _anew = await plugAnother(vm);
    await works('/dev/cryptodev1');
    vm.guest.assertCleanLog();
  });

  it('believes nothing that a device must not answer', async () => {
    await using _wrong = await plugAnother(vm, { maxHandles: 8, maxSessions: 8 }, wrongDevice);
    const [data, iv] = ['5a'.repeat(48), 'c3'.repeat(16)];
    const steps: Step[] = [
      ['open 0', '0'],
      [`session 0 0 ${AES_CBC} 0 ${'00'.repeat(16)} -`, '0'],
      [`session 0 1 ${GCM} 0 ${'00'.repeat(16)} -`, '0'],
      [`session 0 2 ${DES_EDE3} 0 ${'0123456789abcdef'.repeat(3)} -`, '0'],
    ];
    for (const [index, lie] of Object.keys(operationLies).entries()) {
      const flags = (index + 1) << 8;
      steps.push(
        [`crypt 0 0 0 ${flags} ${data} new null ${iv}`, `-5 ${'aa'.repeat(48)} - ${iv}`, lie],
        [`crypt 0 0 0 ${flags} rand:1:8192 new null ${iv}`, /^-5 /, lie],
        // Nothing behind an IV of eight bytes is written to.
        [`crypt 0 2 0 ${flags | WRITE_IV} ${data} new null ${iv}`, `-5 ${'aa'.repeat(48)} - ${iv}`, lie],
        [`auth 0 1 0 ${flags} ${data} new ${data} 0 ${iv}`, `-5 48 0 -1 ${'aa'.repeat(48)} ${iv}`, lie],
        [`async 0 0 0 ${flags} ${data} new null ${iv}`, '0', lie],
        ['await 0', '-5 -1 - - -', lie],
        [`crypt 0 0 0 0 ${data} new null ${iv}`, /^0 /, `what comes after ${lie}`],
      );
    }
    for (const [index, lie] of Object.keys(sessionLies).entries()) {
      const step = `session 0 3 0 ${SHA1} - ${'00'.repeat(index + 1)}`;
      steps.push([step, '-5', lie]);
    }
    const script = steps.map(([step]) => step);
    const answers = await runAgent(vm.guest, programs.agent, script, '/dev/cryptodev1');
    for (const [index, [step, expected, lie = step]] of steps.entries()) {
      if (typeof expected === 'string') assert.equal(answers[index], expected, lie);
      else assert.match(answers[index]!, expected, lie);
    }
    vm.guest.assertCleanLog();
  });

  it('stops a device that returns what it was not given, until it is bound anew', async () => {
    // On one queue, as another would still answer until the driver has seen the head that is wrong on the first.
    await using _wrong = await plugAnother(vm, { queues: 1 }, wrongDevice);
    for (const [index, [name, head]] of Object.entries(wrongHeads).entries()) {
      const operation = (number: number) => `crypt 0 0 0 ${number << 8} 00 new null null`;
      const answers = await runAgent(
        vm.guest,
        programs.agent,
        [
          'open 0',
          `session 0 0 ${CTR} 0 ${'00'.repeat(16)} -`,
          `async 0 0 0 ${(firstWrongHead + index) << 8} rand:1:8192 new null null`,
          operation(0),
          'await 0',
          'free 0 0',
          'open 1',
          'close 0',
        ],
        '/dev/cryptodev1',
      );
      const results = answers.map((answer) => answer.split(' ')[0]);
      assert.deepEqual(results, ['0', '0', '0', '-5', '-5', '-5', '-5', '0'], name);
      assert.match(await vm.guest.check('dmesg'), new RegExp(`requests\\.\\d+:id ${head} `), name);
      await vm.guest.check(`
        id=$(basename $(readlink /sys/class/cryptodev/cryptodev1/device))
        cd /sys/bus/virtio/drivers/virtio_cryptodev && echo $id >unbind && echo $id >bind`);
      await until(vm.guest, 'test -e /dev/cryptodev1');
      await works('/dev/cryptodev1');
    }
    vm.guest.assertCleanLog();
  });

  it('takes answers that come too late, and ends on the device what nobody waited for', async () => {
    await using _wrong = await plugAnother(vm, { maxHandles: 8, maxSessions: 8 }, wrongDevice);
    await using agent = await converse(vm.guest, programs.agent, '/dev/cryptodev1');
    const { ask } = agent;
    /** What was not waited for is ended a moment later. */
    const soon = async (step: string): Promise<void> => {
      let answer = '';
      for (let attempt = 0; attempt < 200 && answer !== '0'; attempt++) answer = await ask(step);
      assert.equal(answer, '0', step);
    };
    const data = '5a'.repeat(48);
    const session = `session 0 1 ${AES_CBC} 0 ${'00'.repeat(16)} -`;
    const operation = (flags = 0) => `crypt 0 0 0 ${flags} ${data} new null null`;
    assert.equal(await ask('open 0'), '0');
    assert.equal(await ask(session.replace('0 1', '0 0')), '0');
    assert.equal(await ask(`session 0 3 0 ${SHA1} - -`), '0');

    // The first of two is kept until the second is there: both are under way at once.
    assert.match(await ask(operation(keepNext << 8)), /^0 /);
    for (let job = 0; job < 2; job++) assert.equal(await ask(`async 0 0 0 0 ${data} new null null`), '0');
    for (let job = 0; job < 2; job++) assert.match(await ask('await 0'), new RegExp(`^0 ${job} `));

    await setParameter(vm.guest, 'timeout_ms', 100);
    const late = [
      // More often than there are handles and sessions
      ...Array<string>(9).fill('open 1'),
      ...Array<string>(9).fill(session),
      operation(),
      // No result but the digest: the program's own pages are only read.
      'crypt 0 3 0 0 rand:1:65536 null room null',
      'info 0 0',
      'cphash 0 3 0',
    ];
    for (const step of late) {
      assert.match(await ask(operation(keepNext << 8)), /^0 /);
      assert.match(await ask(step), /^-110( |$)/, step);
      assert.match(await ask(operation()), /^0 /);
    }
    assert.match(await ask(operation(keepNext << 8)), /^0 /);
    assert.equal(await ask(`async 0 3 0 0 ${data} null room null`), '0');
    assert.match(await ask('await 0'), /^-110 -1 /);
    assert.match(await ask(operation()), /^0 /);
    await setParameter(vm.guest, 'timeout_ms', 30_000);
    await soon('open 1');
    await soon(session);

    // Who waits can be killed.
    const waiting = `open 0\n${session}\n${operation(keepNext << 8)}\n${operation()}\n`.replaceAll(
      '0 1',
      '0 0',
    );
    const killed = await vm.guest.run(['timeout', '-s', 'KILL', '1', programs.agent, '/dev/cryptodev1'], {
      input: waiting,
    });
    assert.equal(killed.status, 137);
    await works('/dev/cryptodev1');
    vm.guest.assertCleanLog();
  });

  it('does with queues that are as short as can be, in few and large pieces', async () => {
    await using _short = await plugAnother(vm, { queueSize: 4 });
    // Source and destination in one piece each
    const most = 4 * 1024 * 1024;
    const key = randomBytes(16);
    const [sealed, longer] = [most, most + 1].map((length) =>
      fnv(encrypt('aes-128-ctr', pseudoRandom(1, length), key)),
    );
    const crypt = (flags: number, source: string, place: string, length = most) =>
      `crypt 0 0 0 ${flags} ${source}:1:${length} ${place} null ${ivHex}`;
    const answer = `0 ${sealed} - ${ivHex}`;
    const steps = [
      [`session 0 0 ${CTR} 0 ${hex(key)} -`, 0],
      [crypt(0, 'apart', 'apart'), answer],
      [crypt(0, 'apart', 'same'), answer],
      [crypt(NO_ZC, 'rand', 'new'), answer],
      // More comes in pieces; an asynchronous operation cannot.
      [crypt(0, 'apart', 'apart', most + 1), `0 ${longer} - ${ivHex}`],
      [crypt(0, 'apart', 'apart', most + 1).replace('crypt', 'async'), EINVAL],
      [crypt(0, 'apart', 'apart').replace('crypt', 'async'), 0],
      ['await 0', `0 0 ${sealed} - ${ivHex}`],
    ] as const;
    await playSteps(vm.guest, programs.agent, steps, '/dev/cryptodev1');
    const { operations, faults, wrong } = await storm('/dev/cryptodev1', 8, 2);
    assert.ok(operations > 100, `${operations} operations`);
    assert.deepEqual({ faults, wrong }, { faults: 0, wrong: 0 });
    vm.guest.assertCleanLog();
  });

  it('takes data as long as the device does', async () => {
    const most = 16 * 1024 * 1024;
    const key = randomBytes(16);
    const [sealed, longer] = [most, most + 1].map((length) =>
      fnv(encrypt('aes-128-ctr', pseudoRandom(1, length), key)),
    );
    const crypt = (flags: number, source: string, place: string, length = most) =>
      `crypt 0 0 0 ${flags} ${source}:1:${length} ${place} null ${ivHex}`;
    const answer = `0 ${sealed} - ${ivHex}`;
    await playSteps(vm.guest, programs.agent, [
      [`session 0 0 ${CTR} 0 ${hex(key)} -`, 0],
      [crypt(NO_ZC, 'rand', 'new'), answer],
      [crypt(0, 'apart', 'apart'), answer],
      [crypt(0, 'apart', 'apart', most + 1), `0 ${longer} - ${ivHex}`],
      [`async 0 0 0 0 null:${most + 1} new null ${ivHex}`, EINVAL],
    ]);
    vm.guest.assertCleanLog();
  });

  it('takes longer data in pieces where what is between them is an IV and the state of a hash', async () => {
    const MiB = 1024 * 1024;
    await using _small = await plugAnother(vm, { maxDataLength: MiB }, wrongDevice);
    const device = '/dev/cryptodev1';
    const data = pseudoRandom(1, 3 * MiB + 16);
    const digestOf = (times: number, withKey?: Buffer) => {
      const hash = withKey === undefined ? createHash('sha1') : createHmac('sha1', withKey);
      for (let i = 0; i < times; i++) hash.update(data);
      return digestIn64(hash.digest());
    };
    const key = randomBytes(16);
    const crypt = (slot: number, flags: number, place: string, withIv = 'null', mac = 'room') =>
      `crypt 0 ${slot} 0 ${flags} rand:1:${data.length} ${place} ${mac} ${withIv}`;
    const nothing = `- ${untouched(64)} -`;
    const steps: Step[] = [
      [`session 0 0 0 ${SHA1} - -`, '0'],
      [`session 0 1 0 ${SHA1_HMAC} - ${hex(key)}`, '0'],
      [`session 0 2 ${AES_CBC} ${SHA1_HMAC} ${hex(key)} ${hex(key)}`, '0'],
    ];
    for (const flags of [0, NO_ZC]) {
      const only = flags === 0 ? 0 : flags | RESET;
      steps.push(
        [crypt(0, only, 'null'), `0 - ${digestOf(1)} -`],
        [crypt(1, only, 'null'), `0 - ${digestOf(1, key)} -`],
        // Goes on from what was there before, and has others go on.
        [crypt(0, flags | UPDATE | RESET, 'null'), `0 ${nothing}`],
        [crypt(0, flags | UPDATE, 'null'), `0 ${nothing}`],
        ['cphash 0 1 0', '-22'],
        [crypt(0, flags | FINAL, 'null'), `0 - ${digestOf(3)} -`],
        [crypt(0, flags | UPDATE | FINAL, 'null'), `0 - ${digestOf(1)} -`],
        // The digest has no place to go to.
        [crypt(0, flags | FINAL, 'null', 'null', 'null'), '-14 - - -'],
        [
          crypt(2, only, 'new', ivHex),
          `0 ${fnv(encrypt('aes-128-cbc', data, key))} ${digestOf(1, key)} ${ivHex}`,
        ],
      );
    }
    // An operation that cannot be cut
    steps.push(
      [`session 0 3 ${XTS} 0 ${hex(randomBytes(32))} -`, '0'],
      [`session 0 4 ${GCM} 0 ${hex(key)} -`, '0'],
      [crypt(3, 0, 'new', ivHex, 'null'), /^-22 /],
      [`auth 0 4 0 0 rand:1:${MiB + 1} new - 0 ${ivHex.slice(0, 24)}`, /^-22 /],
      [`async 0 0 0 0 rand:1:${MiB + 1} null room null`, '-22'],
    );
    const answers = await runAgent(
      vm.guest,
      programs.agent,
      ['open 0', ...steps.map(([step]) => step)],
      device,
    );
    for (const [index, [step, expected]] of steps.entries()) {
      if (typeof expected === 'string') assert.equal(answers[index + 1], expected, step);
      else assert.match(answers[index + 1]!, expected, step);
    }

    // Of those who share a session each has its turn; what is under way asynchronously is not waited for.
    const together = `/host${await build.program('tests/together.c')}`;
    for (const flags of [0, NO_ZC | RESET]) {
      const output = await vm.guest.check([together, device, '4', String(3 * MiB), String(flags)]);
      assert.equal(output, 'right 32 wrong 0\n');
    }
    await using agent = await converse(vm.guest, programs.agent, device);
    for (const step of ['open 0', `session 0 0 0 ${SHA1} - -`]) assert.equal(await agent.ask(step), '0');
    assert.match(await agent.ask(`crypt 0 0 0 ${keepNext << 8} 00 null room null`), /^0 /);
    assert.equal(await agent.ask('async 0 0 0 0 00 null room null'), '0');
    assert.equal(await agent.ask(crypt(0, 0, 'null')), `-16 ${nothing}`);
    assert.match(await agent.ask('crypt 0 0 0 0 00 null room null'), /^0 /);
    assert.match(await agent.ask('await 0'), /^0 0 /);
    assert.equal(await agent.ask(crypt(0, 0, 'null')), `0 - ${digestOf(1)} -`);
    vm.guest.assertCleanLog();
  });

  it('has left nothing open on the device', async () => {
    // As many files as the device has handles: none is held by what was killed, or never waited for.
    const opens = Array.from({ length: handles + 1 }, (_, index) => `open ${index}`);
    const answers = await runAgent(vm.guest, programs.agent, opens);
    assert.deepEqual(new Set(answers.slice(0, handles)), new Set(['0']));
    assert.equal(answers[handles], '-23');
    await vm.guest.check('rmmod virtio_cryptodev');
    vm.guest.assertCleanLog();
  });
});
