/**
 * The guest's driver in a guest: module and test programs, built for it, and devices that this process serves.
 */
import { cp, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { VirtioCryptodevOptions } from '@skytale/cryptodev';
import { serveDevice } from '@skytale/vhost-user';
import {
  armProgramPackages,
  armQemu,
  buildModules,
  buildProgram,
  buildTree,
  crossCompile,
  debianKernel,
  findQemu,
  Guest,
  type GuestOptions,
  type Kernel,
  type KernelName,
  programPackages,
  type Qemu,
  type QemuDevice,
  runInTree,
  VmError,
  vhostUserDevice,
} from '@skytale/vm';
import { TemporaryDirectory } from './directory.ts';

const sources = fileURLToPath(new URL('../../guest/', import.meta.url));

/** What checking the driver needs. `packages/vm/src/prefetch.ts` fetches it before tests start. */
const checkPackages = ['sparse'];

/** A directory with a copy of guest/, and what is built in it. */
export class GuestBuild implements Disposable {
  readonly kernel: Kernel;
  readonly #directory = new TemporaryDirectory();

  private constructor(kernel: Kernel) {
    this.kernel = kernel;
  }

  static async make(kernelName: KernelName): Promise<GuestBuild> {
    const build = new GuestBuild(await debianKernel(kernelName));
    await cp(sources, build.#directory.path, { recursive: true });
    return build;
  }

  path(...parts: string[]): string {
    return this.#directory.join(...parts);
  }

  /**
   * Builds the driver; returns the path of the module.
   * @param virtioId of the devices that it takes, if QEMU is to show them as something else than it does usually
   */
  async driver(virtioId?: number): Promise<string> {
    if (virtioId !== undefined) {
      const header = this.path('driver', 'virtio_cryptodev.h');
      const text = await readFile(header, 'utf8');
      await writeFile(header, text.replace(/(VIRTIO_ID_CRYPTODEV_QEMU\s+)\d+/, `$1${virtioId}`));
    }
    await buildModules(this.kernel, this.path('driver'), { extraPackages: checkPackages });
    return this.path('driver', 'virtio_cryptodev.ko');
  }

  /** What the compiler and sparse say of the driver with all their warnings on */
  async complaints(): Promise<string> {
    const tree = await buildTree(this.kernel, checkPackages);
    const headers = `/usr/src/linux-headers-${this.kernel.release}`;
    const make = `make -s -C driver ${crossCompile(this.kernel).join(' ')} KDIR=${headers} check 2>&1 || true`;
    return runInTree(tree, this.path(), ['sh', '-c', make]);
  }

  /** Builds a program of one file below guest/, which runs on any kernel of its architecture; returns its path. */
  async program(source: string, flags: readonly string[] = []): Promise<string> {
    const program = `${source.replace(/\.c$/, '')}${flags.join('')}`;
    const options = { source, program, flags: ['-I', 'driver/include', ...flags] };
    const arm = this.kernel.source.architecture === 'arm64';
    await buildProgram(arm ? this.kernel : await debianKernel('6.1'), this.path(), options);
    return this.path(program);
  }

  [Symbol.dispose](): void {
    this.#directory[Symbol.dispose]();
  }
}

/**
 * A device on a socket, and what QEMU is told of it.
 * @param module makes the device: one that does as it should, unless told
 */
export async function serveCryptodev(
  qemu: Qemu,
  id: string,
  options: VirtioCryptodevOptions = {},
  module = new URL('./guest-device.ts', import.meta.url),
) {
  const directory = new TemporaryDirectory();
  const socket = directory.join('socket');
  const { queues = 2, queueSize = 256 } = options;
  const backend = await serveDevice({
    socket,
    device: module,
    deviceOptions: { ...options, queues, queueSize },
  });
  return {
    device: vhostUserDevice(qemu, { socket, id, virtioId: 21, queues, queueSize, configSize: 72 }),
    counters: backend.counters,
    async [Symbol.asyncDispose]() {
      await backend.stop();
      directory[Symbol.dispose]();
    },
  };
}

/** The same device as one of QEMU's disks */
export function asDisk(device: QemuDevice): QemuDevice {
  const { id = '', chardev = '', num_vqs: queues = 1, vq_size: size = 128 } = device.properties;
  const properties = { driver: 'vhost-user-blk-pci', id, chardev, 'num-queues': queues, 'queue-size': size };
  return { ...device, properties: { ...properties, vectors: Number(queues) + 1 } };
}

/**
 * Boots a guest with a device, before others that the options may name, its driver loaded with these parameters from /run/driver.ko, and /dev/crypto in
 * its place.
 */
export async function launchCryptodevGuest(
  kernel: Kernel,
  module: string,
  options: GuestOptions & {
    readonly parameters?: string;
    readonly device?: VirtioCryptodevOptions;
    /** In the guise of a disk, with a vector for each queue; for a driver that takes those. */
    readonly blockLike?: boolean;
  } = {},
) {
  const qemu = kernel.source.architecture === 'arm64' ? await armQemu() : await findQemu(11);
  const { parameters = '', device, blockLike = false, devices: others = [], ...guestOptions } = options;
  await using stack = new AsyncDisposableStack();
  const maker = blockLike ? new URL('./block-like-device.ts', import.meta.url) : undefined;
  const served = stack.use(await serveCryptodev(qemu, 'cryptodev', device, maker));
  const devices = [blockLike ? asDisk(served.device) : served.device, ...others];
  const guest = stack.use(await Guest.launch({ qemu, kernel, devices, ...guestOptions }));
  await guest.check(
    `cat >/run/driver.ko && insmod /run/driver.ko ${parameters} && ln -s cryptodev0 /dev/crypto`,
    {
      input: await readFile(module),
    },
  );
  const owned = stack.move();
  return { qemu, guest, served, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** A guest that was booted with the driver, and the QEMU that it is in */
export type CryptodevGuest = Awaited<ReturnType<typeof launchCryptodevGuest>>;

/** Sets a parameter of the driver's in a guest. */
export const setParameter = (guest: Guest, name: string, value: number) =>
  guest.check(`echo ${value} >/sys/module/virtio_cryptodev/parameters/${name}`);

/** Waits in the guest. */
export const until = (guest: Guest, condition: string) =>
  guest.check(`until ${condition}; do sleep 0.05; done`);

/** Resolves when QEMU says so. */
function event(guest: Guest, name: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const unsubscribe = guest.qmp.subscribe(({ event }) => event === name && resolve());
  return promise.finally(unsubscribe);
}

/** Sends the guest to sleep, its memory kept (ACPI's S3), and wakes it. */
export async function sleepAndWake(guest: Guest): Promise<void> {
  const asleep = event(guest, 'SUSPEND');
  const awake = guest.check('echo deep >/sys/power/mem_sleep && echo mem >/sys/power/state');
  await Promise.race([asleep, awake]);
  await guest.qmp.execute('system_wakeup');
  await awake;
}

/** Another device in a guest with a slot for it, /dev/cryptodev1, for as long as this is in scope */
export async function plugAnother(
  { qemu, guest }: CryptodevGuest,
  options: VirtioCryptodevOptions = {},
  module?: URL,
): Promise<AsyncDisposable> {
  const another = await serveCryptodev(qemu, 'another', options, module);
  await guest.plug(another.device);
  await until(guest, 'test -e /dev/cryptodev1');
  return {
    async [Symbol.asyncDispose]() {
      await guest.unplug(another.device);
      await until(guest, '! test -e /dev/cryptodev1');
      await another[Symbol.asyncDispose]();
    },
  };
}

/** The kernel of guests that are no PCs */
const armKernel: KernelName = '6.1-arm64';

/** Why guests with the driver and these kernels cannot be had on this machine, or undefined. */
export async function obstacle(kernels: readonly KernelName[] = ['6.1']): Promise<string | undefined> {
  try {
    await findQemu(11);
    await buildTree(await debianKernel('6.1'), programPackages);
    for (const name of kernels) await buildTree(await debianKernel(name), checkPackages);
    if (kernels.includes(armKernel)) {
      await armQemu();
      await buildTree(await debianKernel(armKernel), armProgramPackages);
    }
    return undefined;
  } catch (error) {
    if (error instanceof VmError) return `no guest can be had: ${error.message}`;
    throw error;
  }
}
