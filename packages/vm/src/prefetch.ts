/** Fetches what tests in guests need, for `scripts/setup`: so that it is seen, and done once, before they start. */
import { buildTree } from './build-tree.ts';
import { debianKernel, type KernelName, kernelSources } from './kernel.ts';
import { findQemu } from './qemu.ts';
import { VmError } from './vm-error.ts';

const say = (message: string) => console.error(message);

try {
  await findQemu(7, say);
  await findQemu(11, say);
  await buildTree(await debianKernel('6.1', say), [], say);
  // For tests of the guest's driver: programs of both word sizes, and checks by sparse for every kernel.
  await buildTree(await debianKernel('6.1', say), ['gcc-multilib'], say);
  for (const name of Object.keys(kernelSources) as KernelName[])
    await buildTree(await debianKernel(name, say), ['sparse'], say);
} catch (error) {
  if (!(error instanceof VmError)) throw error;
  say(`Tests in virtual machines cannot run: ${error.message}`);
}
