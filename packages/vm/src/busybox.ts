/** busybox, one static program that is a guest's whole user land, and the host's where it lacks a tool. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { DebianArchitecture } from './debian-apt.ts';
import { debianTree, type Progress } from './debian-packages.ts';
import { VmError } from './vm-error.ts';

/** The path of a static busybox for this architecture. */
export async function busybox(architecture: DebianArchitecture, onProgress?: Progress): Promise<string> {
  const tree = await debianTree({
    suite: 'bookworm',
    architecture,
    packages: ['busybox-static'],
    only: /^busybox-static$/,
    onProgress,
  });
  const found = ['bin/busybox', 'usr/bin/busybox'].map((path) => join(tree, path)).find(existsSync);
  if (found === undefined) throw new VmError('not-found', `no busybox in ${tree}`);
  return found;
}
