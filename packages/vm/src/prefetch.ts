/** Fetches what tests in guests need, for `scripts/setup`: so that it is seen, and done once, before they start. */
import { buildTree } from './build-tree.ts';
import { debianKernel } from './kernel.ts';
import { findQemu } from './qemu.ts';
import { VmError } from './vm-error.ts';

const say = (message: string) => console.error(message);

try {
  await findQemu(7, say);
  await findQemu(11, say);
  await debianKernel('6.1-686', say);
  await buildTree(await debianKernel('6.1', say), [], say);
} catch (error) {
  if (!(error instanceof VmError)) throw error;
  say(`Tests in virtual machines cannot run: ${error.message}`);
}
