/** `skytale vm`: boots a guest with a crypto device, and runs a command or a shell in it. */
import { exitCodeOf, onEndSignal } from '../signals.ts';
import type { VmSettings } from '../vm/vm-settings.ts';

/** @returns the status of the command */
export async function vm(settings: VmSettings, ...command: string[]): Promise<number> {
  // The guest ends with this process, however that ends; so there is nothing to wait for.
  const stopListening = onEndSignal((signal) => process.exit(exitCodeOf(signal)));
  try {
    if (settings.vmm === 'v86') return await (await import('../vm/v86-run.ts')).runOnV86(settings, command);
    return await (await import('../vm/qemu-run.ts')).runOnQemu(settings, command);
  } finally {
    stopListening();
  }
}
