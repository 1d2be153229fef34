/**
 * Our crypto device in guests, driven by Linux's own virtio_crypto. One back end serves them all, one after the
 * other: first QEMU 7, which keeps the control queue to itself; its plug is pulled in the middle of requests. Then
 * QEMU 11 has all queues; under it the back end is stopped, and one that is started anew serves the next guest.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { BackendEvent } from '@skytale/vhost-user';
import { findQemu, Guest, type GuestOptions, type GuestProcess, type Qemu, VmError } from '@skytale/vm';
import { qemuDevice } from '../packages/skytale/src/device/models.ts';
import { type ServedCrypto, serveCrypto } from '../packages/skytale/src/device/served-crypto.ts';
import { TemporaryDirectory } from './support/directory.ts';
import { guestObstacle } from './support/guest-obstacle.ts';

const skip = (await guestObstacle()) ?? false;
const code = (expected: string) => (error: unknown) => error instanceof VmError && error.code === expected;

const program = join(import.meta.dirname, 'support/guest/compare-ciphers.ts');
/** Results that it compares: 3 lengths of keys, 3 layouts, 10 sizes, both directions, ours and the kernel's. */
const resultsOfOne = '360\n';

/** What Linux drives by the device: how the kernel's test of each algorithm ended. */
async function selfTests(guest: Guest): Promise<Record<string, string>> {
  const entries = (await guest.check('cat /proc/crypto')).split('\n\n').map((entry) => {
    const fields = [...entry.matchAll(/^(\w+) +: (.*)$/gm)].map(([, name, value]) => [name, value]);
    return Object.fromEntries(fields) as Record<string, string>;
  });
  return Object.fromEntries(
    entries
      .filter(({ module }) => module === 'virtio_crypto')
      .map(({ driver, selftest }) => [driver, selftest]),
  );
}

const cipherPassed = { virtio_crypto_aes_cbc: 'passed' };
const allPassed = {
  ...cipherPassed,
  'virtio-crypto-rsa': 'passed',
  'virtio-pkcs1-rsa-with-sha1': 'passed',
};

function compareCiphers(guest: Guest): Promise<string> {
  return guest.check([process.execPath, program], { timeout: 120_000 });
}

/** Keeps the device busy; resolves when it has begun. */
async function startLoad(guest: Guest): Promise<GuestProcess> {
  const load = await guest.spawn([process.execPath, program, '--forever']);
  load.exited.catch(() => {}); // tests end it in ways of their own
  const [line] = await once(load.stdout, 'data');
  assert.equal(String(line), 'running\n');
  return load;
}

describe('the virtio-crypto device', { skip }, () => {
  const directory = new TemporaryDirectory();
  const socket = directory.join('device');
  const events: BackendEvent[] = [];
  let onEvent = () => {};
  let served: ServedCrypto;
  let guest: Guest;

  const serve = (queues = 1, trustMemory = false) =>
    serveCrypto({
      ...{ model: 'virtio-crypto', engine: 'auto', queues, socket, trustMemory },
      onEvent: (event) => {
        events.push(event);
        onEvent();
      },
    });
  const launch = (qemu: Qemu, options: GuestOptions = {}, queues = 1) =>
    Guest.launch({
      qemu,
      modules: ['cbc'],
      devices: [qemuDevice(qemu, 'virtio-crypto', socket, queues)],
      ...options,
    });
  const count = (name: BackendEvent['event']) => events.filter(({ event }) => event === name).length;
  const untilCount = async (name: BackendEvent['event'], wanted: number) => {
    while (count(name) < wanted) {
      await new Promise<void>((resolve) => {
        onEvent = resolve;
      });
    }
  };

  before(async () => {
    served = await serve();
  });
  after(async () => {
    await guest?.kill();
    await served?.stop();
    directory[Symbol.dispose]();
  });

  for (const [major, passed, rings] of [
    [7, cipherPassed, 1],
    [11, allPassed, 2],
  ] as const) {
    describe(`in a guest on QEMU ${major}`, () => {
      before(async () => {
        guest = await launch(await findQemu(major));
      });
      after(() => guest?.kill());

      it('passes the self-tests of Linux', async () => {
        const connection = count('attached');
        const started = events.filter(
          (event) => event.event === 'ring-started' && event.connection === connection,
        );
        assert.equal(started.length, rings);
        assert.deepEqual(await selfTests(guest), passed);
        guest.assertCleanLog();
      });

      it('computes what the kernel computes, whatever the size and wherever the data lies', async () => {
        const before = served.counters();
        assert.equal(await compareCiphers(guest), resultsOfOne);
        const { errors, bytes, sessions } = served.counters();
        assert.equal(errors, before.errors);
        assert.ok(bytes > before.bytes);
        assert.equal(sessions, before.sessions);
      });

      it('cannot be migrated, and QEMU knows why', async () => {
        const { 'blocked-reasons': reasons } = (await guest.qmp.execute('query-migrate')) as {
          'blocked-reasons': string[];
        };
        assert.ok(
          reasons.some((reason) => /vhost-user backend lacks VHOST_USER_PROTOCOL_F_LOG_SHMFD/.test(reason)),
          reasons.join('; '),
        );
      });

      it('serves several processes at once', async () => {
        const results = await Promise.all([1, 2, 3].map(() => compareCiphers(guest)));
        assert.deepEqual(results, [resultsOfOne, resultsOfOne, resultsOfOne]);
      });

      it('is let go by its driver and taken again', async () => {
        const device = '$(basename $(ls -d /sys/bus/virtio/drivers/virtio_crypto/virtio*))';
        const driver = '/sys/bus/virtio/drivers/virtio_crypto';
        await guest.check(`device=${device} && cd ${driver} && echo $device >unbind && echo $device >bind`);
        assert.deepEqual(await selfTests(guest), passed);
        assert.equal(await compareCiphers(guest), resultsOfOne);
      });

      it('outlasts a reboot in the middle of requests', async () => {
        const load = await startLoad(guest);
        await guest.reset();
        await assert.rejects(load.exited, code('guest-reset'));
        assert.deepEqual(await selfTests(guest), passed);
        assert.equal(await compareCiphers(guest), resultsOfOne);
        guest.assertCleanLog();
      });

      if (major === 7) {
        it('outlasts the end of QEMU in the middle of requests', async () => {
          await startLoad(guest);
          const left = count('detached') + 1;
          await guest.kill();
          await untilCount('detached', left);
          assert.equal(served.counters().sessions, 0);
        });
      } else {
        it('may be stopped: its requests wait for ever, the guest goes on', async () => {
          const load = await startLoad(guest);
          await served.stop();
          assert.equal(await guest.check('echo alive'), 'alive\n');
          await guest.kill();
          await assert.rejects(load.exited, code('guest-gone'));
        });
      }
    });
  }

  it('serves the next guest after it was started anew, on more queues', async () => {
    served = await serve(3);
    const started = count('ring-started');
    guest = await launch(await findQemu(11), { hostTree: false, memory: 256 }, 3);
    assert.deepEqual(await selfTests(guest), allPassed);
    assert.equal(count('ring-started') - started, 4);
    guest.assertCleanLog();
    await guest.kill();
  });

  it('serves guests whose memory is a file, if their VMM is trusted', async () => {
    await served.stop();
    served = await serve(1, true);
    const file = `memory-backend-file,id=file,size=256M,share=on,mem-path=${directory.join('memory')}`;
    for (const [major, passed] of [
      [7, cipherPassed],
      [11, allPassed],
    ] as const) {
      guest = await launch(await findQemu(major), {
        ...{ hostTree: false, memory: 256 },
        qemuArguments: ['-object', file, '-machine', 'memory-backend=file'],
      });
      assert.deepEqual(await selfTests(guest), passed);
      await guest.kill();
    }
    assert.equal(count('refused'), 0);
  });
});
