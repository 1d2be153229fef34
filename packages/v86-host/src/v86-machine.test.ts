/** Machines that do not come up. Those that do are in tests/v86-boot.test.ts, with a real Linux. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { v86Wasm } from './node/index.ts';
import { EntropyDevice } from './testing/entropy-device.ts';
import { V86Error } from './v86-error.ts';
import { V86Machine } from './v86-machine.ts';

const code = (expected: string) => (error: unknown) => error instanceof V86Error && error.code === expected;

class CountingDevice extends EntropyDevice {
  closed = 0;
  override close(): void {
    this.closed += 1;
  }
}

describe('a machine that does not come up', () => {
  // `hlt` at the reset vector, 16 bytes before the end, as everywhere.
  const bios = new Uint8Array(0x2_0000).fill(0xf4);
  const boot = { bios, kernel: new Uint8Array(1024), initramfs: new Uint8Array(0) };

  it('is refused with code that is not WebAssembly', async () => {
    const device = new CountingDevice();
    const launch = V86Machine.launch({ wasm: new Uint8Array(8), boot, devices: [device] });
    await assert.rejects(launch, code('launch-failed'));
    assert.equal(device.closed, 1);
  });

  it('is refused with more devices than there are slots', async () => {
    const devices = Array.from({ length: 9 }, () => new CountingDevice());
    const launch = V86Machine.launch({ wasm: await v86Wasm(), boot, devices });
    await assert.rejects(launch, code('launch-failed'));
    assert.ok(devices.every(({ closed }) => closed === 1));
  });

  it('is given up after a while', async () => {
    const device = new CountingDevice();
    const wasm = await v86Wasm();
    const launch = V86Machine.launch({ wasm, boot, devices: [device], bootTimeout: 50, memory: 32 });
    await assert.rejects(launch, code('boot-timeout'));
    assert.equal(device.closed, 1);
  });
});
