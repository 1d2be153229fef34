/** A guest on QEMU for as long as a command, or a shell, runs in it. */
import { existsSync } from 'node:fs';
import { attach, debianKernel, findQemu, Guest, hostQemu, type Qemu } from '@skytale/vm';
import { CommandError, UsageError } from '../command-error.ts';
import { canAttach, type ModelName, qemuDevice } from '../device/models.ts';
import { type ServedCrypto, serveCrypto } from '../device/served-crypto.ts';
import { note } from '../stdio.ts';
import { loadCryptodevDriver } from './cryptodev-driver.ts';
import { TemporaryDirectory } from './temporary-directory.ts';
import type { VmSettings } from './vm-settings.ts';

/** What people's start-up files do takes an emulated processor many seconds. */
const shell = ['/bin/bash', '--norc'];
const prompt = '\\u@\\h:\\w\\$ ';

/**
 * Runs the command on the streams of this process; a shell if it has no words.
 * @returns its status
 */
export async function runOnQemu(settings: VmSettings, command: readonly string[]): Promise<number> {
  const { model, memory, cpus, network, queues } = settings;
  const qemu = await chooseQemu(model, settings.qemu);
  const kernel = await debianKernel('6.1', note);
  using directory = new TemporaryDirectory();
  const socket = directory.join('device');
  await using served = model === 'none' ? undefined : await serveCrypto({ ...settings, model, socket });
  if (process.stderr.isTTY)
    note(`Booting Linux ${kernel.release} on QEMU ${qemu.version}, device: ${model} …`);
  await using guest = await Guest.launch({
    qemu,
    kernel,
    cpus,
    network,
    ...(memory !== undefined && { memory }),
    devices: model === 'none' ? [] : [qemuDevice(qemu, model, socket, queues)],
    onProgress: note,
  });
  // QEMU is connected: nobody needs the path any more, and a SIGKILL shall leave nothing behind.
  directory[Symbol.dispose]();
  if (model === 'virtio-cryptodev') await loadCryptodevDriver(guest, kernel, note);
  const isShell = command.length === 0 && process.stdin.isTTY && process.stdout.isTTY;
  if (isShell) {
    note('The shell sees the files of this machine; what it changes is gone with the guest. "exit" ends it.');
  }
  const words = isShell && existsSync('/bin/bash') ? shell : command;
  const options = { cwd: process.cwd(), env: environment() };
  return await Promise.race([attach(guest, words, process, options), deviceFailure(served)]);
}

async function chooseQemu(model: ModelName | 'none', wanted: VmSettings['qemu']): Promise<Qemu> {
  if (wanted === '7' && model === 'virtio-cryptodev') {
    throw new UsageError('--qemu 7 attaches no virtio-cryptodev device; --qemu 11 does.');
  }
  if (wanted !== undefined) return findQemu(wanted === '7' ? 7 : 11, note);
  const own = await hostQemu();
  if (own !== undefined && (model === 'none' || canAttach(own, model))) return own;
  return findQemu(11, note);
}

/** Rejects if the thread of the device dies; the guest would wait for it for ever. */
async function deviceFailure(served: ServedCrypto | undefined): Promise<never> {
  await served?.ended.catch((cause: Error) => {
    throw new CommandError(cause.message, 1, { cause });
  });
  return new Promise(() => {});
}

/** Programs of the host are found in the guest where they are found on the host. */
function environment(): Record<string, string> {
  const { PATH, HOME, LANG } = process.env;
  const given = Object.entries({ PATH, HOME, LANG, PS1: prompt });
  return Object.fromEntries(given.filter((entry): entry is [string, string] => entry[1] !== undefined));
}
