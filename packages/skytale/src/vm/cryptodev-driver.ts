/** What a guest needs for /dev/crypto: the Linux driver of virtio-cryptodev, and a tool to try it with. */
import { cp, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildModules, buildProgram, type Kernel, programPackages } from '@skytale/vm';
import { TemporaryDirectory } from './temporary-directory.ts';

const sources = dirname(fileURLToPath(import.meta.resolve('@skytale/driver/package.json')));

/** The files that are built, and where they belong in a guest */
export interface CryptodevFiles {
  /** The module virtio_cryptodev.ko */
  readonly driver: Buffer;
  /** The program cryptodev-tool, which needs no library */
  readonly tool: Buffer;
}

/** Makes the device /dev/crypto, once the driver stands in this file of the guest. */
export const loadScript = (driver: string) => `insmod ${driver} && ln -s cryptodev0 /dev/crypto`;

/** Builds both for the guest's kernel. */
export async function buildCryptodev(
  kernel: Kernel,
  progress: (message: string) => void,
): Promise<CryptodevFiles> {
  using directory = new TemporaryDirectory();
  await cp(sources, directory.path, { recursive: true });
  await buildModules(kernel, directory.join('driver'), {
    extraPackages: programPackages,
    onProgress: progress,
  });
  await buildProgram(kernel, directory.path, {
    source: 'cryptodev-tool/cryptodev-tool.c',
    program: 'cryptodev-tool/cryptodev-tool',
    flags: ['-I', 'driver/include'],
  });
  return {
    driver: await readFile(directory.join('driver/virtio_cryptodev.ko')),
    tool: await readFile(directory.join('cryptodev-tool/cryptodev-tool')),
  };
}

/** A guest in any VMM. */
type Guest = { check(command: string, options: { readonly input: Uint8Array }): Promise<string> };

/** Builds both, and brings them into a guest that runs: the device is /dev/crypto then. */
export async function loadCryptodevDriver(
  guest: Guest,
  kernel: Kernel,
  progress: (message: string) => void,
): Promise<void> {
  const files = await buildCryptodev(kernel, progress);
  const [driver, tool] = ['/run/virtio_cryptodev.ko', '/usr/local/bin/cryptodev-tool'];
  await guest.check(`cat >${driver} && ${loadScript(driver)}`, { input: files.driver });
  await guest.check(`mkdir -p /usr/local/bin && cat >${tool} && chmod 755 ${tool}`, { input: files.tool });
}
