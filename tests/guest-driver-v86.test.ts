/** The guest's driver in v86: a 32-bit kernel without PAE, one processor, interrupts by INTx, registers in I/O ports. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { createEngine, VirtioCryptodevDevice } from '@skytale/cryptodev';
import { V86Machine } from '@skytale/v86-host';
import { kernelComplaints } from '@skytale/vm';
import { runAgent } from './support/agent.ts';
import { devCryptoCases } from './support/dev-crypto.cases.ts';
import { GuestBuild, obstacle } from './support/guest-driver.ts';
import { v86Images } from './support/v86-images.ts';
import wrongDevice, { failure, keepNext } from './support/wrong-device.ts';

const skip = (await obstacle(['6.1-686'])) ?? false;

describe('/dev/crypto in v86', { skip }, () => {
  let machine: V86Machine;

  before(async () => {
    using build = await GuestBuild.make('6.1-686');
    const program = async (source: string) => ({
      content: await readFile(await build.program(source, ['-m32'])),
      mode: 0o755,
    });
    const images = await v86Images(['virtio_pci'], {
      'driver.ko': { content: await readFile(await build.driver()) },
      'bin/agent': await program('tests/agent.c'),
      'bin/storm': await program('tests/storm.c'),
      'bin/fuzz': await program('tests/fuzz.c'),
      'bin/cryptodev-tool': await program('cryptodev-tool/cryptodev-tool.c'),
    });
    const device = new VirtioCryptodevDevice(await createEngine('openssl'));
    const short = new VirtioCryptodevDevice(await createEngine('openssl'));
    Object.defineProperty(short, 'config', { value: short.config.subarray(0, -1) });
    machine = await V86Machine.launch({ ...images, devices: [device, await wrongDevice({}), short] });
    await machine.check('insmod /driver.ko && ln -s cryptodev0 /dev/crypto');
  });
  after(() => machine?.stop());

  const noComplaints = async () => assert.deepEqual(kernelComplaints(await machine.check('dmesg')), []);

  // An emulated processor is slow: fewer random operations.
  devCryptoCases(() => ({ guest: machine, agent: '/bin/agent', tool: '/bin/cryptodev-tool' }), 60);

  it('serves many processes, some of them killed, and ioctls with arguments of all kinds', async () => {
    assert.match(
      await machine.check('storm /dev/crypto 8 2'),
      /^operations [1-9]\d* .* faults 0 .* wrong 0\n/,
    );
    assert.match(await machine.check('storm /dev/crypto 8 2 kill'), /killed [1-9]\d* wrong 0\n/);
    assert.match(await machine.check('fuzz /dev/crypto 1 2'), /^steps [1-9]/);
    await noComplaints();
  });

  it('takes no device whose configuration is too short', async () => {
    assert.match(await machine.check('dmesg'), /its configuration space is missing or too short/);
    await machine.check('! test -e /dev/cryptodev2');
    await noComplaints();
  });

  it('stops a device that needs a reset, until it is bound anew', async () => {
    const session = `session 0 0 21 0 ${'00'.repeat(16)} -`;
    const operation = (number: number) => `crypt 0 0 0 ${number << 8} 00 new null null`;
    const steps = [
      'open 0',
      session,
      operation(keepNext),
      operation(0).replace('crypt', 'async'),
      operation(failure),
      'await 0',
      operation(0),
      'free 0 0',
      'open 1',
      'close 0',
    ];
    const resultsOf = async (script: readonly string[]) =>
      (await runAgent(machine, '/bin/agent', script, '/dev/cryptodev1')).map(
        (answer) => answer.split(' ')[0],
      );
    assert.deepEqual(await resultsOf(steps), ['0', '0', '0', '0', '-5', '-5', '-5', '-5', '-5', '0']);
    await machine.check(`
      id=$(basename $(readlink /sys/class/cryptodev/cryptodev1/device))
      cd /sys/bus/virtio/drivers/virtio_cryptodev && echo $id >unbind && echo $id >bind`);
    assert.deepEqual(await resultsOf(['open 0', session, operation(0)]), ['0', '0', '0']);
    await noComplaints();
  });

  it('lets the device be taken from it under load, and the module be unloaded and loaded', async () => {
    const taken = await machine.check(`
      cd /sys/bus/virtio/drivers/virtio_cryptodev
      id=$(basename $(readlink /sys/class/cryptodev/cryptodev0/device))
      storm /dev/cryptodev0 4 3 faults &
      sleep 1; echo $id >unbind; sleep 0.5; echo $id >bind
      wait`);
    assert.match(taken, /faults [1-9]\d* .* wrong 0\n/);
    await machine.check('until rmmod virtio_cryptodev; do sleep 0.1; done; ! test -e /dev/cryptodev0');
    await machine.check('insmod /driver.ko');
    assert.match(await machine.check('cryptodev-tool list'), /^aes-gcm /m);
    await noComplaints();
  });
});
