import { buildTree, busybox, debianKernel, findQemu, programPackages, seabios, VmError } from '@skytale/vm';

/** Why guests cannot be had on this machine, or undefined: all that `scripts/setup --test` fetches for them. */
export async function guestObstacle(): Promise<string | undefined> {
  try {
    await Promise.all([
      ...([7, 11] as const).map((major) => findQemu(major)),
      ...(['amd64', 'i386'] as const).map((architecture) => busybox(architecture)),
      ...(['6.1', '6.1-686'] as const).map(async (name) =>
        buildTree(await debianKernel(name), programPackages),
      ),
      seabios(),
    ]);
    return undefined;
  } catch (error) {
    if (error instanceof VmError) return `no guest can be had: ${error.message}`;
    throw error;
  }
}
