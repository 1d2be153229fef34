import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Qemu } from './qemu.ts';
import { type Machine, qemuArguments } from './qemu-arguments.ts';
import { builtinCrypto, deviceArguments, vhostUserCrypto, vhostUserDevice } from './qemu-devices.ts';
import { VmError } from './vm-error.ts';

const qemu = (major: number): Qemu => ({ version: `${major}.2.1`, major, command: ['qemu'], env: {} });
const descriptors = {
  monitor: 3,
  console: 4,
  terminal: 5,
  slots: [
    { data: 6, errors: 7 },
    { data: 8, errors: 9 },
  ],
};
const machine: Machine = {
  architecture: 'amd64',
  image: '/k',
  initramfs: '/i',
  kernelArguments: ['console=ttyS0', 'panic=0'],
  memory: 512,
  cpus: 2,
  acceleration: 'tcg',
  devices: [],
  hotplugSlots: 0,
  network: false,
  extraArguments: [],
};
/** The values of an option, in their order. */
const values = (args: string[], option: string) =>
  args.flatMap((arg, i) => (arg === option ? [args[i + 1]] : []));

describe("QEMU's arguments", () => {
  it('give each port of each slot a descriptor and a number of its own', () => {
    const args = qemuArguments(machine, descriptors);
    assert.deepEqual(values(args, '-chardev').slice(3), [
      'socket,id=data1,fd=6',
      'socket,id=errors1,fd=7',
      'socket,id=data2,fd=8',
      'socket,id=errors2,fd=9',
    ]);
    const ports = values(args, '-device').filter((device) => device?.startsWith('virtserialport'));
    assert.deepEqual(
      ports.map((port) => /chardev=(\w+),nr=(\d)/.exec(port!)?.slice(1)),
      [
        ['data1', '1'],
        ['errors1', '2'],
        ['data2', '3'],
        ['errors2', '4'],
      ],
    );
    assert.deepEqual(values(args, '-append'), ['console=ttyS0 panic=0']);
  });

  it('have memory that a vhost-user back end can map', () => {
    const args = qemuArguments(machine, descriptors);
    assert.deepEqual(values(args, '-object'), ['memory-backend-memfd,id=mem,size=512M,share=on']);
    assert.deepEqual(values(args, '-machine'), ['q35,memory-backend=mem']);
    const arm = qemuArguments({ ...machine, architecture: 'arm64' }, descriptors);
    assert.deepEqual(values(arm, '-machine'), ['virt,memory-backend=mem']);
  });

  it('export a tree of the host read-only, whatever its name, and only if asked', () => {
    assert.deepEqual(values(qemuArguments(machine, descriptors), '-fsdev'), []);
    const [fsdev] = values(qemuArguments({ ...machine, tree: '/a,b' }, descriptors), '-fsdev');
    assert.match(fsdev!, /path=\/a,,b,.*readonly=on/);
  });
});

describe('a device', () => {
  it('virtio-crypto by vhost-user gets no MSI-X on a QEMU that crashes of it', () => {
    const device = (major: number) => deviceArguments(vhostUserCrypto(qemu(major), { socket: '/s' }));
    assert.deepEqual(device(11), [
      ...['-chardev', 'socket,id=crypto0-channel,path=/s'],
      ...['-object', 'cryptodev-vhost-user,chardev=crypto0-channel,queues=1,id=crypto0-backend'],
      ...['-device', 'virtio-crypto-pci,id=crypto0,cryptodev=crypto0-backend'],
    ]);
    assert.equal(device(7).at(-1), 'virtio-crypto-pci,id=crypto0,cryptodev=crypto0-backend,vectors=0');
    assert.doesNotMatch(deviceArguments(builtinCrypto()).join(' '), /vectors/);
  });

  it('of any kind is for QEMU 11', () => {
    const options = { socket: '/s', virtioId: 63, queues: 2, configSize: 56 };
    assert.deepEqual(deviceArguments(vhostUserDevice(qemu(11), options)), [
      ...['-chardev', 'socket,id=device0-channel,path=/s', '-device'],
      'vhost-user-test-device-pci,id=device0,chardev=device0-channel,virtio-id=63,num_vqs=2,config_size=56',
    ]);
    const large = vhostUserDevice(qemu(11), { ...options, queueSize: 1024 });
    assert.equal(large.properties.vq_size, 1024);
    const isRefusal = (error: unknown) => error instanceof VmError && error.code === 'unsupported';
    assert.throws(() => vhostUserDevice(qemu(10), options), isRefusal);
  });
});
