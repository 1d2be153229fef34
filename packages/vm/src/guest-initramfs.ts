/** The initramfs of a guest that takes commands: its scripts, and what tells them how to set the guest up. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Progress } from './debian-packages.ts';
import { buildInitramfs, storeInitramfs } from './initramfs.ts';
import type { Kernel } from './kernel.ts';
import { quote } from './shell.ts';

export interface GuestInitramfsOptions {
  readonly kernel: Kernel;
  readonly modules: readonly string[];
  /** Whose files are the guest's root: the host's, those of an installed system, or nobody's but busybox. */
  readonly tree: 'host' | 'system' | undefined;
  readonly network: boolean;
  readonly slots: number;
  readonly onProgress?: Progress | undefined;
}

/**
 * Directories of the host that lie where the guest has file systems of its own, and must be seen all the same: this
 * program's and the one it was started in.
 */
function hiddenDirectories(): string[] {
  const project = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '');
  const directories = new Set([project, process.cwd()]);
  return [...directories].filter((directory) => /^\/(tmp|run)\//.test(directory));
}

const script = (name: string) => readFile(new URL(`guest/${name}`, import.meta.url), 'utf8');

/** The path of the initramfs, in the cache. */
export async function guestInitramfs(options: GuestInitramfsOptions): Promise<string> {
  const { kernel, tree, network, slots, onProgress } = options;
  const modules = ['virtio_pci', 'virtio_console'];
  if (tree !== undefined) modules.push('9pnet_virtio', '9p', 'overlay');
  if (network) modules.push('virtio_net');
  const config = {
    root_tree: tree ?? '',
    network: network ? '1' : '0',
    modules_directory: kernel.modules,
    slots: String(slots),
  };
  const settings = Object.entries(config).map(([name, value]) => `${name}=${quote(value)}\n`);
  const visible = tree === 'host' ? hiddenDirectories() : [];
  const image = await buildInitramfs({
    kernel,
    modules: [...modules, ...options.modules],
    init: await script('init.sh'),
    files: {
      agent: { content: await script('agent.sh') },
      config: { content: settings.join('') },
      visible: { content: visible.map((directory) => `${directory}\n`).join('') },
    },
    onProgress,
  });
  return storeInitramfs(image);
}
