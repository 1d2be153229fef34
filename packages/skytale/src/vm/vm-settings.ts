import type { Values } from '../settings.ts';

/** What `skytale vm` is told. */
export type VmSettings = Values<
  'vmm' | 'model' | 'engine' | 'queues' | 'qemu' | 'memory' | 'cpus' | 'network'
>;
