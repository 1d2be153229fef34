/** The guest's driver for tests in guests: built for a kernel, with a device for it that this process serves. */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildModules, type Kernel } from '@skytale/vm';

const sources = fileURLToPath(new URL('../../guest/driver/', import.meta.url));

/** A directory with the driver built for one kernel. */
export class DriverBuild implements AsyncDisposable {
  readonly directory: string;
  /** What make and the programs that it calls said. */
  readonly output: string;

  private constructor(directory: string, output: string) {
    this.directory = directory;
    this.output = output;
  }

  static async make(kernel: Kernel, flags: readonly string[] = []): Promise<DriverBuild> {
    const directory = await mkdtemp(join(tmpdir(), 'skytale-driver-'));
    try {
      await cp(sources, directory, { recursive: true });
      // sparse speaks on standard error, of which nothing is seen if make succeeds.
      const make = [...flags, 'modules'];
      const output = await buildModules(kernel, directory, { make, extraPackages: ['sparse', 'libc6-dev'] });
      return new DriverBuild(directory, output);
    } catch (error) {
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  }

  get module(): string {
    return join(this.directory, 'virtio_cryptodev.ko');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }
}
