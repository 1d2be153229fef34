import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DeviceCounters } from './device-counters.ts';
import makeDevice from './device-worker.ts';
import { featureNames } from './feature-names.ts';
import { type ModelName, models, qemuDevice } from './models.ts';
import { commandLines } from './qemu-advice.ts';

const qemu = { 7: { version: '7.2', major: 7 }, 11: { version: '11.1', major: 11 } };

describe('what QEMU is told about a device', () => {
  for (const model of Object.keys(models) as ModelName[]) {
    it(`is what ${model} is`, async () => {
      const counters = new DeviceCounters().buffer;
      const device = await makeDevice({ model, engine: 'node', queues: 3, counters });
      const { properties } = qemuDevice(qemu[11], model, '/socket', 3);
      assert.deepEqual(device.queueSizes, new Array(properties.num_vqs).fill(properties.vq_size));
      assert.equal(properties.config_size, device.config.length);
      assert.equal(device.createSession !== undefined, model === 'virtio-crypto');
      for (const name of featureNames(model, device.features)) assert.doesNotMatch(name, /^bit/);
      await device.close();
    });
  }

  it('is the form that it can attach', () => {
    assert.equal(qemuDevice(qemu[7], 'virtio-crypto', '/s', 1).properties.driver, 'virtio-crypto-pci');
    assert.throws(() => qemuDevice(qemu[7], 'virtio-cryptodev', '/s', 1), { code: 'unsupported' });
  });

  it('can be pasted into a shell', () => {
    assert.deepEqual(commandLines(['-m', '1024', '-device', "a,path=/it's here"]), [
      '-m 1024 \\',
      "-device 'a,path=/it'\\''s here'",
    ]);
  });
});
