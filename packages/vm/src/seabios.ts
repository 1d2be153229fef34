/** SeaBIOS, the firmware of emulators that bring none. */
import { join } from 'node:path';
import { debianTree, type Progress } from './debian-packages.ts';

/** The path of `bios.bin`, for a PC of QEMU's first kind, which v86 is one of. Rejects as `debianTree` does. */
export async function seabios(onProgress?: Progress): Promise<string> {
  const tree = await debianTree({
    suite: 'bookworm',
    architecture: 'amd64',
    packages: ['seabios'],
    only: /^seabios$/,
    onProgress,
  });
  return join(tree, 'usr/share/seabios/bios.bin');
}
