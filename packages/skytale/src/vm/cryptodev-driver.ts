/** The Linux driver of virtio-cryptodev in a guest. */
import { existsSync } from 'node:fs';
import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildModules, type Kernel } from '@skytale/vm';
import { TemporaryDirectory } from './temporary-directory.ts';

const source = fileURLToPath(new URL('../../../../guest/driver', import.meta.url));
const module = 'virtio_cryptodev.ko';

/** A guest in any VMM. */
type Guest = { check(command: string, options: { readonly input: Uint8Array }): Promise<string> };

/** Builds the driver for the guest's kernel and loads it: the device is /dev/crypto then. */
export async function loadCryptodevDriver(
  guest: Guest,
  kernel: Kernel,
  progress: (message: string) => void,
): Promise<void> {
  if (!existsSync(join(source, 'Kbuild'))) {
    progress(`The guest has the device, but no driver for it: ${source} is not there.`);
    return;
  }
  using directory = new TemporaryDirectory();
  await cp(source, directory.path, { recursive: true });
  await buildModules(kernel, directory.path, { onProgress: progress });
  const input = await readFile(directory.join(module));
  const script = `cat >/tmp/${module} && insmod /tmp/${module} && ln -s cryptodev0 /dev/crypto`;
  await guest.check(script, { input });
}
