/** The Linux driver of virtio-cryptodev in a guest. */
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildModules, type Kernel } from '@skytale/vm';

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
  const directory = await mkdtemp(join(tmpdir(), 'skytale-driver-'));
  try {
    await cp(source, directory, { recursive: true });
    await buildModules(kernel, directory, { onProgress: progress });
    const input = await readFile(join(directory, module));
    await guest.check(`cat >/tmp/${module} && insmod /tmp/${module} && ln -s cryptodev0 /dev/crypto`, {
      input,
    });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
