/** Until when a device writes into a program's memory; how much of device and memory one user can have. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { converse } from './support/agent.ts';
import {
  AES_CBC,
  CTR,
  digestIn64,
  EBUSY,
  ECB,
  EFAULT,
  encrypt,
  fnv,
  GCM,
  hex,
  iv,
  ivHex,
  key,
  keyHex,
  NO_ZC,
  playSteps,
  pseudoRandom,
  SHA1,
  type Step,
  sealGcm,
  WRITE_IV,
} from './support/dev-crypto-steps.ts';
import {
  type CryptodevGuest,
  GuestBuild,
  launchCryptodevGuest,
  obstacle,
  plugAnother,
  setParameter,
  until,
} from './support/guest-driver.ts';
import { keepAll, releaseAll } from './support/wrong-device.ts';

const skip = (await obstacle()) ?? false;
const wrongDevice = new URL('./support/wrong-device.ts', import.meta.url);

describe("memory and the guest's driver", { skip }, () => {
  let build: GuestBuild;
  let vm: CryptodevGuest;
  let agent: string;
  let hoard: string;

  before(async () => {
    build = await GuestBuild.make('6.1');
    agent = `/host${await build.program('tests/agent.c')}`;
    hoard = `/host${await build.program('tests/hoard.c')}`;
    vm = await launchCryptodevGuest(build.kernel, await build.driver(), {
      hotplugSlots: 1,
      kernelArguments: ['secretmem.enable=1'],
    });
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

  describe('one user, of whom many processes ask for much at once', () => {
    const MiB = 1024 * 1024;
    /** What the driver gives a user in a guest of 1 GiB, and what the system may take for other things meanwhile */
    const [limit, other] = [64 * MiB, 64 * MiB];
    const processes = 40;
    const meminfo = async () => {
      const free = /MemFree: +(\d+) kB/.exec(await vm.guest.check('cat /proc/meminfo'))![1];
      return -1024 * Number(free);
    };
    const pinned = async () => {
      const counts = (await vm.guest.check('grep nr_foll_pin /proc/vmstat')).match(/\d+/g)!;
      return 4096 * (Number(counts[0]) - Number(counts[1]));
    };

    for (const [what, flags, measure] of [
      ['copied', NO_ZC, meminfo],
      ['pinned', 0, pinned],
    ] as const) {
      it(`has no more memory ${what} than one may, however long the device is silent`, async () => {
        const { guest } = vm;
        await using stack = new AsyncDisposableStack();
        stack.use(await plugAnother(vm, { queues: 1, queueSize: 1024 }, wrongDevice));
        await guest.check('chmod 666 /dev/cryptodev1');
        const root = stack.use(await converse(guest, agent, '/dev/cryptodev1'));
        const small = (number: number) => `crypt 0 0 0 ${number << 8} ${'5a'.repeat(16)} new null null`;
        assert.equal(await root.ask('open 0'), '0');
        assert.equal(await root.ask(`session 0 0 ${AES_CBC} 0 ${keyHex} -`), '0');
        const inIoctl = '$(cat /proc/[0-9]*/syscall 2>/dev/null | grep -c "^16 ")';
        const start = async () => {
          const words = [hoard, '/dev/cryptodev1', 1000, processes, 16 * MiB, flags];
          const child = await guest.spawn(words.map(String));
          const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
          assert.equal((await lines.next()).value, 'ready');
          const go = async () => {
            child.stdin.write('go\n');
            // All of them asleep in an ioctl
            await until(guest, `[ ${inIoctl} -ge ${processes} ]`);
          };
          return { child, lines, go };
        };
        const [first, second] = [await start(), await start()];
        const before = await measure();
        const assertBounded = async () => {
          const used = (await measure()) - before;
          assert.ok(used < limit + other, `${used / MiB} MiB`);
        };
        assert.match(await root.ask(small(keepAll)), /^0 /);
        await first.go();
        await assertBounded();
        // Who is killed goes, whatever it waits for. What the device has of it counts on.
        await first.child.kill();
        await until(guest, `[ ${inIoctl} -eq 0 ]`);
        await second.go();
        await assertBounded();
        assert.match(await root.ask(small(releaseAll)), /^0 /);
        assert.equal((await second.lines.next()).value, `done ${processes}`);
        vm.guest.assertCleanLog();
      });
    }

    it('has what was asked for by way of pieces, each with the IV that the one before has left', async () => {
      const length = 3 * 512 * 1024 + 16;
      for (const [cipher, name] of [
        [AES_CBC, 'aes-128-cbc'],
        [CTR, 'aes-128-ctr'],
        [ECB, 'aes-128-ecb'],
      ] as const) {
        const data = pseudoRandom(1, length);
        const sealed = encrypt(name, Buffer.concat([data, data]), key, cipher === ECB ? null : iv);
        const [head, tail] = [sealed.subarray(0, length), sealed.subarray(length)];
        const left = cipher === AES_CBC ? hex(head.subarray(-16)) : cipher === ECB ? ivHex : undefined;
        const piece = (flags: number, withIv: string) =>
          `crypt 0 0 0 ${flags} rand:1:${length} new null ${withIv}`;
        await playSteps(vm.guest, agent, [
          [`session 0 0 ${cipher} 0 ${keyHex} -`, 0],
          [piece(NO_ZC, ivHex), `0 ${fnv(head)} - ${ivHex}`],
          [piece(NO_ZC, 'null'), `0 ${fnv(tail)} - -`],
          [piece(NO_ZC | WRITE_IV, ivHex), left === undefined ? /^0 / : `0 ${fnv(head)} - ${left}`],
          [piece(0, 'null'), `0 ${fnv(tail)} - -`],
        ]);
      }
      vm.guest.assertCleanLog();
    });
  });

  it('that cannot be pinned is copied, of any length, and to wherever the result belongs', async () => {
    const long = 3 * 512 * 1024 + 16;
    const sealed = (length: number) => fnv(encrypt('aes-128-cbc', pseudoRandom(1, length)));
    const operation = (how: string, source: string, place: string, length: number, flags = 0) =>
      `${how} 0 0 0 ${flags} ${source}:1:${length} ${place} null ${ivHex}`;
    const steps: Step[] = [[`session 0 0 ${AES_CBC} 0 ${keyHex} -`, 0]];
    let job = 0;
    for (const length of [8192, long]) {
      const answer = `${sealed(length)} - ${ivHex}`;
      for (const [source, place] of [
        ['secret', 'new'],
        ['rand', 'secret'],
        ['secret', 'same'],
      ] as const) {
        steps.push([operation('crypt', source, place, length), `0 ${answer}`]);
        steps.push([operation('async', source, place, length), 0]);
        steps.push(['await 0', `0 ${job++} ${answer}`]);
      }
    }
    const nonce = hex(iv.subarray(0, 12));
    const record = (source: string, place: string) =>
      `auth 0 1 0 0 ${source}:1:8192 ${place} ${keyHex} 0 ${nonce}`;
    steps.push(
      [`session 0 1 ${GCM} 0 ${keyHex} -`, 0],
      [record('secret', 'secret'), `0 8208 16 8192 ${fnv(sealGcm(pseudoRandom(1, 8192), key))} ${nonce}`],
      [`session 0 2 0 ${SHA1} - -`, 0],
      [
        'crypt 0 2 0 0 secret:1:8192 null room null',
        `0 - ${digestIn64(createHash('sha1').update(pseudoRandom(1, 8192)).digest())} -`,
      ],
      // Another process fetches what only this one can reach.
      [operation('async', 'rand', 'secret', 8192), 0],
      [`handover 0 ${job}`, /^-14 0x4 /],
      [operation('crypt', 'rand', 'ro', 8192), EFAULT],
      [operation('async', 'rand', 'bad', 8192), EFAULT],
    );
    await playSteps(vm.guest, agent, steps);
    vm.guest.assertCleanLog();
  });

  describe('many users', () => {
    const [ENFILE, EMFILE] = ['-23', '-24'];

    /** A program of the user's on a device that everybody may open */
    async function programOf(user: number) {
      const program = await converse(vm.guest, agent, '/dev/cryptodev1');
      assert.equal(await program.ask(`become ${user}`), '0');
      return program;
    }

    it('have each a part of the files, and there are always some for an administrator', async () => {
      await using stack = new AsyncDisposableStack();
      // One queue: what is opened comes after what was closed before.
      stack.use(await plugAnother(vm, { maxHandles: 32, queues: 1 }));
      await vm.guest.check('chmod 666 /dev/cryptodev1');
      const open = async (user: number, count: number) => {
        const { ask } = stack.use(await programOf(user));
        for (let file = 0; file < count; file++) assert.equal(await ask(`open ${file}`), '0');
        return ask;
      };
      const first = await open(1000, 8);
      assert.equal(await first('open 8'), EMFILE);
      // Another process of the same user
      assert.equal(await (await open(1000, 0))('open 0'), EMFILE);
      await open(1001, 8);
      await open(1002, 8);
      assert.equal(await (await open(1003, 6))('open 6'), ENFILE);
      const administrator = await open(0, 2);
      // The device has no more.
      assert.equal(await administrator('open 2'), ENFILE);
      for (let file = 0; file < 2; file++) assert.equal(await administrator(`close ${file}`), '0');
      assert.equal(await first('close 0'), '0');
      assert.equal(await first('open 0'), '0');
      vm.guest.assertCleanLog();
    });

    it('have each as many sessions as one file can have', async () => {
      await using stack = new AsyncDisposableStack();
      stack.use(await plugAnother(vm, { maxSessions: 8 }));
      await vm.guest.check('chmod 666 /dev/cryptodev1');
      const { ask } = stack.use(await programOf(1000));
      const session = (file: number, slot: number) => ask(`session ${file} ${slot} ${AES_CBC} 0 ${keyHex} -`);
      for (let file = 0; file < 2; file++) {
        assert.equal(await ask(`open ${file}`), '0');
        for (let slot = 0; slot < 4; slot++) assert.equal(await session(file, 4 * file + slot), '0');
      }
      assert.equal(await session(0, 8), EMFILE);
      const other = stack.use(await programOf(1001));
      assert.equal(await other.ask('open 0'), '0');
      assert.equal(await other.ask(`session 0 0 ${AES_CBC} 0 ${keyHex} -`), '0');
      // What has ended counts no more, one at a time or with its file; what was refused does not count.
      assert.equal(await ask('free 0 0'), '0');
      assert.equal(await ask(`session 0 0 ${AES_CBC} 0 00 -`), '-22');
      assert.equal(await session(0, 0), '0');
      assert.equal(await ask('close 1'), '0');
      for (let slot = 4; slot < 8; slot++) assert.equal(await session(0, slot), '0');
      assert.equal(await session(0, 8), EMFILE);
      vm.guest.assertCleanLog();
    });
  });
});
