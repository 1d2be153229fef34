/** What machines in v86 boot in tests. */
import { readFile } from 'node:fs/promises';
import { guestInit, v86Wasm } from '@skytale/v86-host/node';
import { buildInitramfs, debianKernel, type InitramfsOptions, seabios } from '@skytale/vm';

/** Linux with these modules loaded, and with these files beside busybox. */
export async function v86Images(modules: readonly string[], files: InitramfsOptions['files'] & {} = {}) {
  const kernel = await debianKernel('6.1-686');
  const [wasm, bios, image, initramfs] = await Promise.all([
    v86Wasm(),
    readFile(await seabios()),
    readFile(kernel.image),
    buildInitramfs({ kernel, modules, files, init: await guestInit() }),
  ]);
  return { wasm, boot: { bios, kernel: image, initramfs } };
}
