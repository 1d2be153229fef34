/** A device announces a change of its configuration to a guest, through a QEMU that knows nothing of the device. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { serveDevice } from '@skytale/vhost-user';
import { findQemu, Guest } from '@skytale/vm';
import { qemuDevice } from '../packages/skytale/src/device/models.ts';
import { TemporaryDirectory } from './support/directory.ts';
import { guestObstacle } from './support/guest-obstacle.ts';

const skip = (await guestObstacle()) ?? false;

describe('a change of the configuration space', { skip }, () => {
  it('reaches the driver of a guest on QEMU 11', async () => {
    using directory = new TemporaryDirectory();
    const socket = directory.join('device');
    const device = new URL('./support/fading-crypto-device.ts', import.meta.url);
    await using _served = await serveDevice({ socket, device });
    const qemu = await findQemu(11);
    await using guest = await Guest.launch({
      ...{ qemu, hostTree: false, modules: ['cbc'] },
      devices: [qemuDevice(qemu, 'virtio-crypto', socket, 1)],
    });
    // The driver's self-test is what the first data request comes from. Told, it takes its algorithms back.
    const isToldOf = (what: string) => `until dmesg | grep -q "${what}"; do sleep 0.1; done`;
    await guest.check(isToldOf('virtio_crypto.*Accelerator is not ready'), { timeout: 60_000 });
    assert.equal((await guest.run('grep -c virtio_crypto /proc/crypto')).stdout, '0\n');
  });
});
