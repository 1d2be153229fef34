/** Fetches what tests in guests need, for `scripts/setup`: so that it is seen, and done once, before they start. */
import { armProgramPackages, buildTree, programPackages } from './build-tree.ts';
import { busybox } from './busybox.ts';
import { dkmsSystem } from './debian-system.ts';
import { debianKernel, type KernelName, kernelSources } from './kernel.ts';
import { armQemu, findQemu } from './qemu.ts';
import { seabios } from './seabios.ts';
import { VmError } from './vm-error.ts';

const say = (message: string) => console.error(message);

/** Says what cannot run if what it needs cannot be had. */
async function fetch(what: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof VmError)) throw error;
    say(`${what} cannot run: ${error.message}`);
  }
}

await fetch('Tests in virtual machines', async () => {
  await findQemu(7, say);
  await findQemu(11, say);
  await armQemu(say);
  await seabios(say);
  for (const name of Object.keys(kernelSources) as KernelName[]) {
    const kernel = await debianKernel(name, say);
    await busybox(kernel.source.architecture, say);
    // For tests of the guest's driver: checks by sparse for every kernel.
    await buildTree(kernel, ['sparse'], say);
  }
  for (const name of ['6.1', '6.1-686'] as const)
    await buildTree(await debianKernel(name, say), programPackages, say);
  await buildTree(await debianKernel('6.1-arm64', say), armProgramPackages, say);
});
await fetch("The test of the driver's package", () => dkmsSystem('bookworm', say));
