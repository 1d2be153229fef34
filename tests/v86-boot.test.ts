/** Linux in v86: its own drivers find our devices; machines are saved, restored, and run in workers and browsers. */
import assert from 'node:assert/strict';
import { createDecipheriv } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import {
  type MachineState,
  type MachineWorker,
  RemoteMachine,
  V86Error,
  V86Machine,
  type V86MachineOptions,
} from '@skytale/v86-host';
import { nodeMachineWorker } from '@skytale/v86-host/node';
import type { VirtioRequest } from '@skytale/virtio';
import { EntropyDevice } from '../packages/v86-host/src/testing/entropy-device.ts';
import { missingChromium, runInChromium } from './support/chromium.ts';
import { GuestBuild } from './support/guest-driver.ts';
import { guestObstacle } from './support/guest-obstacle.ts';
import { toTypedJson } from './support/typed-json.ts';
import { machineDevices } from './support/v86-devices.ts';
import { v86Images } from './support/v86-images.ts';

const skip = (await guestObstacle()) ?? false;
const code = (expected: string) => (error: unknown) => error instanceof V86Error && error.code === expected;

/** It answers a while after it was asked. */
class LateEntropyDevice extends EntropyDevice {
  override async handle(queueIndex: number, request: VirtioRequest): Promise<void> {
    await delay(1);
    super.handle(queueIndex, request);
  }
}

/** The I/O port at which the registers of the PCI device with this ID begin. */
const findPort = (id: string) => `
  for device in /sys/bus/pci/devices/*; do
    [ $(cat $device/device) = ${id} ] || continue
    read -r first rest <$device/resource
    port=$((first))
    break
  done`;

/** Has a session that a program of the guest holds used once; prints the result. */
const askCipher = `n=$(wc -l </tmp/answers) && echo >/tmp/ask &&
  until [ "$(wc -l </tmp/answers)" -gt "$n" ]; do sleep 0.02; done; tail -n 1 /tmp/answers`;
/** What it is. */
const blockOfZeros = `${createDecipheriv('aes-128-cbc', new Uint8Array(16).fill(1), new Uint8Array(16))
  .setAutoPadding(false)
  .update('00'.repeat(16), 'hex', 'hex')}\n`;

describe('Linux in v86', { skip }, () => {
  let wasm: WebAssembly.Module;
  let worker: MachineWorker;
  let machine: RemoteMachine;
  let state: MachineState;
  /** A machine of the saved state in this thread. */
  const restored = async (entropy = new EntropyDevice(), options: Partial<V86MachineOptions> = {}) =>
    V86Machine.launch({ wasm, state, devices: await machineDevices(entropy), ...options });

  before(async () => {
    using build = await GuestBuild.make('6.1');
    const content = await readFile(await build.program('tests/held-cipher.c', ['-m32']));
    const images = await v86Images(['virtio_pci', 'virtio_rng', 'virtio_crypto', 'algif_skcipher'], {
      'bin/held-cipher': { content, mode: 0o755 },
    });
    wasm = images.wasm;
    worker = nodeMachineWorker(new URL('support/v86-worker.ts', import.meta.url));
    machine = await RemoteMachine.launch(worker, images);
    await machine.check(`echo kept >/tmp/kept; mkfifo /tmp/ask; touch /tmp/answers
      held-cipher virtio_crypto_aes_cbc <>/tmp/ask >>/tmp/answers 2>&1 &`);
    assert.equal(await machine.check(askCipher), blockOfZeros);
    state = await machine.saveState();
  });
  after(() => machine?.stop());

  it('runs scripts and programs, with input, output, errors and status each for itself', async () => {
    const script = 'cat; echo "$NAME in $PWD" >&2; exit 3';
    const result = await machine.run(script, { input: 'hello', cwd: '/bin', env: { NAME: "O'Neill $x" } });
    assert.deepEqual(result, { status: 3, stdout: 'hello', stderr: "O'Neill $x in /bin\n" });
    assert.deepEqual((await machine.run(['printf', '%s|', 'a b', '$HOME', "'"])).stdout, "a b|$HOME|'|");
    assert.equal((await machine.run('kill -TERM $$')).status, 128 + 15);
    await assert.rejects(machine.check('echo oh >&2; false'), code('command-failed'));
    const input = 'x'.repeat(100_000);
    assert.equal(await machine.check('wc -c', { input }), '100000\n');
  });

  it('kills a command that takes too long, children included', async () => {
    await assert.rejects(machine.run('sleep 1234 & sleep 1234', { timeout: 300 }), code('timeout'));
    await machine.check('while pgrep -f "sleep 1234" >/dev/null; do sleep 0.05; done');
  });

  it('has a console at which one can type', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const forget = machine.onConsole(() => machine.consoleText.includes('= 42') && resolve());
    machine.writeConsole('echo 6 times 7 = $((6 * 7))\n');
    await promise;
    forget();
  });

  it('fills /dev/hwrng from our entropy device, also after its driver was unbound and bound', async () => {
    const read = 'dd if=/dev/hwrng bs=1024 count=4 2>/dev/null | od -v -A n -t x1';
    const first = await machine.check(read);
    assert.match(first, /^( [0-9a-f]{2}){16}\n/);
    assert.equal(new Set(first.match(/[0-9a-f]{2}/g)).size, 256);
    assert.match(await machine.check('cat /sys/class/misc/hw_random/rng_current'), /^virtio_rng/);
    assert.match(await machine.check('grep virtio /proc/interrupts'), /\d+: +[1-9]/);
    const driver = '/sys/bus/virtio/drivers/virtio_rng';
    await machine.check(`cd ${driver}; name=$(ls | grep virtio); echo $name >unbind; echo $name >bind`);
    assert.notEqual(await machine.check(read), first);
  });

  it("shows our crypto device's configuration, in the I/O ports and through configuration space", async () => {
    const [, device] = await machineDevices(new EntropyDevice());
    const expected = Buffer.from(device!.config).toString('hex');
    assert.equal(await machine.check('cat /sys/bus/virtio/devices/virtio1/device'), '0x003f\n');
    const inPorts = `${findPort('0x107f')}
      dd if=/dev/port bs=1 skip=$((port + 0x48)) count=${device!.config.length} 2>/dev/null | od -v -A n -t x1 | tr -d ' \\n'`;
    assert.equal(await machine.check(inPorts), expected);
    // Byte by byte: where is written to the capability, then the window behind it is read.
    const capability = 0x84;
    const throughWindow = `${findPort('0x107f')}
      poke() { printf "\\\\$(printf %o $2)" | dd of=$device/config bs=1 seek=$(($1)) conv=notrunc 2>/dev/null; }
      poke ${capability + 12} 1
      for i in $(seq 0 ${device!.config.length - 1}); do
        poke ${capability + 8} $((0x48 + i))
        dd if=$device/config bs=1 skip=${capability + 16} count=1 2>/dev/null
      done | od -v -A n -t x1 | tr -d ' \\n'`;
    assert.equal(await machine.check(throughWindow), expected);
  });

  it('lives on when a program in it writes nonsense to the registers of a device', async () => {
    await machine.check(`${findPort('0x107f')}
      for i in 1 2 3; do dd if=/dev/urandom of=/dev/port bs=1 seek=$port count=256; done
      dd if=/dev/zero of=/dev/port bs=1 seek=$port count=256`);
    await machine.check('dd if=/dev/hwrng bs=512 count=1');
  });

  it('is saved and restored, and goes on at once', async (t) => {
    await machine.check('rm -f /tmp/kept');
    const begin = performance.now();
    const entropy = new EntropyDevice();
    await using other = await restored(entropy);
    assert.equal(await other.check('cat /tmp/kept; dd if=/dev/hwrng bs=1024 count=4 of=/dev/null'), 'kept\n');
    t.diagnostic(`restored, and a command run, in ${Math.round(performance.now() - begin)} ms`);
    assert.ok(entropy.given >= 4096);
    await machine.check('[ ! -e /tmp/kept ]');
  });

  it('has its sessions on the crypto device again, and makes new ones', async () => {
    await using other = await restored();
    for (let i = 0; i < 2; i++) {
      assert.equal(await other.check(askCipher), blockOfZeros);
      assert.equal(await other.check('echo | held-cipher virtio_crypto_aes_cbc'), blockOfZeros);
      await other.restoreState(await other.saveState());
    }
    assert.equal(await machine.check(askCipher), blockOfZeros);
  });

  it('is put back while it runs, which ends the command', async () => {
    await using other = await restored();
    const lost = other.run('rm /tmp/kept; echo gone >/dev/ttyS0; sleep 1000');
    const { promise: gone, resolve } = Promise.withResolvers<void>();
    other.onConsole(() => other.consoleText.includes('gone') && resolve());
    await gone;
    await Promise.all([assert.rejects(lost, code('guest-reset')), other.restoreState(state)]);
    assert.equal(await other.check('cat /tmp/kept'), 'kept\n');
  });

  it('waits for devices that answer later, and is not saved before they have', async () => {
    const entropy = new LateEntropyDevice();
    await using other = await restored(entropy);
    const read = other.check('dd if=/dev/hwrng bs=1024 count=4 | wc -c');
    assert.equal(await read, '4096\n');
    await machine.restoreState(await other.saveState());
    assert.equal(await machine.check('cat /tmp/kept'), 'kept\n');
  });

  it('stops when it is not used, and goes on when it is', async () => {
    await using other = await restored(new EntropyDevice(), { idleTimeout: 20 });
    for (let i = 0; i < 3; i++) {
      assert.equal(await other.check('echo here'), 'here\n');
      while (other.isRunning) await delay(10);
    }
    await other.check('sleep 0.2'); // a command that does nothing is use, too
    await other.pause();
    const { promise, resolve } = Promise.withResolvers<void>();
    other.onConsole(() => resolve());
    other.writeConsole('\n');
    await promise;
  });

  it('says so when its kernel panics, or it resets itself', async () => {
    await using panics = await restored();
    await assert.rejects(panics.run('echo c >/proc/sysrq-trigger'), code('guest-panic'));
    assert.equal((await panics.ended).code, 'guest-panic');
    await assert.rejects(panics.run('true'), code('guest-panic'));
    await using resets = await restored();
    await assert.rejects(resets.run('reboot -f'), code('guest-reset'));
  });

  it('is not restored with other devices or other memory', async () => {
    for (const devices of [[], [new EntropyDevice(), new EntropyDevice()]])
      await assert.rejects(V86Machine.launch({ wasm, state, devices }), code('bad-state'));
    await using other = await restored();
    await assert.rejects(other.restoreState({ ...state, memory: 64 << 20 }), code('bad-state'));
    await assert.rejects(other.run('true'), code('bad-state'));
    const emulator = state.emulator.slice(0, 1000);
    const broken = V86Machine.launch({
      wasm,
      state: { ...state, emulator },
      devices: await machineDevices(new EntropyDevice()),
    });
    await assert.rejects(broken, code('bad-state'));
  });

  it('runs in a browser', { skip: missingChromium() }, async (t) => {
    const answer = await runInChromium('tests/support/v86-page.ts', {
      state: new Uint8Array(state.emulator),
      devices: toTypedJson({ ...state, emulator: undefined }),
      command: `cat /tmp/kept; dd if=/dev/hwrng bs=1024 count=4 | wc -c; ${askCipher}`,
    });
    t.diagnostic(answer);
    assert.ok(answer.startsWith(`kept\n4096\n${blockOfZeros}`), answer);
  });

  it('ends with its worker', async () => {
    const lost = machine.run('sleep 1000');
    await nextTurn();
    await Promise.all([assert.rejects(lost, code('guest-gone')), worker.terminate()]);
    assert.equal((await machine.ended).code, 'guest-gone');
    await assert.rejects(machine.run('true'), code('guest-gone'));
  });
});
