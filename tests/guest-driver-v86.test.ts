/** The guest's driver in v86: a 32-bit kernel without PAE, one processor, interrupts by INTx, registers in I/O ports. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { createEngine, VirtioCryptodevDevice } from '@skytale/cryptodev';
import { V86Machine } from '@skytale/v86-host';
import { kernelComplaints } from '@skytale/vm';
import { devCryptoCases } from './support/dev-crypto.cases.ts';
import { GuestBuild, obstacle } from './support/guest-driver.ts';
import { v86Images } from './support/v86-images.ts';

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
    machine = await V86Machine.launch({ ...images, devices: [device] });
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

  it('lets the device be taken from it under load, and the module be unloaded and loaded', async () => {
    const taken = await machine.check(`
      cd /sys/bus/virtio/drivers/virtio_cryptodev; id=$(ls | grep virtio)
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
