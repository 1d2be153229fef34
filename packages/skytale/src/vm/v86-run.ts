/** A guest in v86, an emulator in this process, for as long as a command, or a shell, runs in it. */
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { createEngine, VirtioCryptoDevice, VirtioCryptodevDevice } from '@skytale/cryptodev';
import { type MachineImages, V86Machine } from '@skytale/v86-host';
import { guestInit, v86Wasm } from '@skytale/v86-host/node';
import type { VirtioDevice } from '@skytale/virtio';
import { buildInitramfs, debianKernel, type Kernel, seabios } from '@skytale/vm';
import { UsageError } from '../command-error.ts';
import { models } from '../device/models.ts';
import { note } from '../stdio.ts';
import { terminalSize } from '../terminal/terminal-size.ts';
import { buildCryptodev, type CryptodevFiles, loadScript } from './cryptodev-driver.ts';
import type { VmSettings } from './vm-settings.ts';

/** The longest that a timer of Node's can wait: 24 days. */
const longest = 2 ** 31 - 1;

/** Where the driver of virtio-cryptodev stands in the guest's file system, seen from its root. */
const driverFile = 'virtio_cryptodev.ko';

/** Ctrl-], as of telnet: the shell on the console starts anew when it is left. */
const endKey = 0x1d;

/**
 * Runs the command with the standard input of this process, to its end, and prints then what it has written; a
 * shell on the terminal if it has no words.
 * @returns its status
 */
export async function runOnV86(settings: VmSettings, command: readonly string[]): Promise<number> {
  checkSettings(settings, command);
  const { memory } = settings;
  const { model } = settings;
  const kernel = await debianKernel('6.1-686', note);
  const cryptodev = model === 'virtio-cryptodev' ? await buildCryptodev(kernel, note) : undefined;
  const boot = await bootImages(kernel, model, cryptodev);
  if (process.stderr.isTTY) note(`Booting Linux in v86, device: ${model}. This takes a while …`);
  await using machine = await V86Machine.launch({
    wasm: await v86Wasm(),
    boot,
    devices: await devices(settings),
    ...(memory !== undefined && { memory }),
  });
  if (cryptodev !== undefined) await machine.check(loadScript(`/${driverFile}`));
  if (command.length === 0) return await shell(machine);
  const input = process.stdin.isTTY ? '' : await buffer(process.stdin);
  const { status, stdout, stderr } = await machine.run(command, { input, timeout: longest });
  process.stdout.write(stdout);
  process.stderr.write(stderr);
  return status;
}

function checkSettings({ qemu, network, model }: VmSettings, command: readonly string[]): void {
  if (qemu !== undefined) throw new UsageError('--qemu: --vmm v86 needs no QEMU.');
  if (network) throw new UsageError('--network: --vmm v86 has none.');
  if (command[0] === 'cryptodev-tool' && model !== 'virtio-cryptodev') {
    throw new UsageError('cryptodev-tool: with --vmm v86, it needs --model virtio-cryptodev.');
  }
  if (command.length === 0 && !(process.stdin.isTTY && process.stdout.isTTY)) {
    throw new UsageError('COMMAND is missing: with --vmm v86, a shell needs a terminal.');
  }
}

async function bootImages(
  kernel: Kernel,
  model: VmSettings['model'],
  cryptodev: CryptodevFiles | undefined,
): Promise<NonNullable<MachineImages['boot']>> {
  const modules = model === 'none' ? [] : models[model].modules;
  const files = cryptodev && {
    [driverFile]: { content: cryptodev.driver },
    'bin/cryptodev-tool': { content: cryptodev.tool, mode: 0o755 },
  };
  const initramfs = await buildInitramfs({
    kernel,
    modules,
    init: await guestInit(),
    ...(files && { files }),
    onProgress: note,
  });
  const bios = await readFile(await seabios(note));
  return { bios, kernel: await readFile(kernel.image), initramfs };
}

async function devices({ model, engine, queues }: VmSettings): Promise<VirtioDevice[]> {
  if (model === 'none') return [];
  const cryptography = await createEngine(engine);
  switch (model) {
    case 'virtio-crypto':
      return [new VirtioCryptoDevice(cryptography, { dataQueues: queues })];
    case 'virtio-cryptodev':
      return [new VirtioCryptodevDevice(cryptography, { queues })];
  }
}

/** The guest's console on our terminal, until its end or the end key. */
async function shell(machine: V86Machine): Promise<number> {
  const { stdin, stdout } = process;
  const { columns, rows } = terminalSize(stdout);
  note('Here is its console. Ctrl-] ends it.');
  const end = Promise.withResolvers<void>();
  const onKeys = (keys: Buffer) => {
    if (keys.includes(endKey)) end.resolve();
    else machine.writeConsole(keys);
  };
  await machine.run(`stty rows ${rows} cols ${columns} </dev/ttyS0`);
  const forget = machine.onConsole((bytes) => stdout.write(bytes));
  stdin.setRawMode(true);
  stdin.on('data', onKeys);
  try {
    machine.writeConsole('\n');
    const failure = await Promise.race([machine.ended, end.promise]);
    stdout.write('\n');
    if (failure) throw failure;
    return 0;
  } finally {
    forget();
    stdin.off('data', onKeys);
    stdin.setRawMode(false);
    stdin.pause();
  }
}
