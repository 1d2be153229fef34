import { debianKernel, debianTree, findQemu, type TreeRequest, VmError } from '@skytale/vm';

/** Why guests cannot be had on this machine, or undefined. */
export async function guestObstacle(): Promise<string | undefined> {
  const seabios: TreeRequest = {
    suite: 'bookworm',
    architecture: 'amd64',
    packages: ['seabios'],
    only: /^seabios$/,
  };
  try {
    await Promise.all([findQemu(), debianKernel('6.1'), debianKernel('6.1-686'), debianTree(seabios)]);
    return undefined;
  } catch (error) {
    if (error instanceof VmError) return `no guest can be had: ${error.message}`;
    throw error;
  }
}
