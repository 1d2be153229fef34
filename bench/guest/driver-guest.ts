/**
 * Guests in which AES-128-CBC can be had in several ways at once: from /dev/cryptodev0 by the driver of guest/driver,
 * from the standard's crypto device by Linux's own driver, and from the guest's processor.
 */
import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createEngine, VirtioCryptoDevice, VirtioCryptodevDevice } from '@skytale/cryptodev';
import { V86Machine } from '@skytale/v86-host';
import { v86Wasm } from '@skytale/v86-host/node';
import { buildProgram, debianKernel, findQemu, Guest, type Progress, vhostUserDevice } from '@skytale/vm';
import { type ModelName, models } from '../../packages/skytale/src/device/models.ts';
import { serveCrypto } from '../../packages/skytale/src/device/served-crypto.ts';
import { loadCryptodevDriver } from '../../packages/skytale/src/vm/cryptodev-driver.ts';
import { TemporaryDirectory } from '../../packages/skytale/src/vm/temporary-directory.ts';
import { v86BootImages } from '../../packages/skytale/src/vm/v86-images.ts';

export type DriverGuest = AsyncDisposable & {
  readonly name: string;
  /** Ciphers of the guest's own, by the names of the kernel's drivers. */
  readonly ownCiphers: readonly string[];
  /** Runs a shell script in which `$tool` is cryptodev-tool and `$af_alg` af-alg; returns its output. */
  run(script: string): Promise<string>;
};

const timeout = 120_000;
const dataQueues = 2;
/** As long as QEMU allows: Linux's driver of the standard's device wants a descriptor for each page. */
const queueSize = 1024;
const source = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Both programs, built for guests. */
class Programs implements Disposable {
  readonly #directory = new TemporaryDirectory();
  readonly tool = this.#directory.join('cryptodev-tool');
  readonly afAlg = this.#directory.join('af-alg');

  static async build(flags: readonly string[], progress: Progress): Promise<Programs> {
    const programs = new Programs();
    const { path } = programs.#directory;
    await cp(source('../../guest/driver/include'), join(path, 'include'), { recursive: true });
    await cp(source('../../guest/cryptodev-tool/cryptodev-tool.c'), join(path, 'cryptodev-tool.c'));
    await cp(source('af-alg.c'), join(path, 'af-alg.c'));
    const kernel = await debianKernel('6.1', progress);
    for (const name of ['cryptodev-tool', 'af-alg'])
      await buildProgram(kernel, path, `${name}.c`, name, ['-I/mnt/include', ...flags]);
    return programs;
  }

  [Symbol.dispose](): void {
    this.#directory[Symbol.dispose]();
  }
}

const variables = (tool: string, afAlg: string) => `tool='${tool} -D /dev/cryptodev0' af_alg='${afAlg}'\n`;

/** QEMU emulates the processor; the devices' back ends are in threads of this process. @throws {VmError} */
export async function launchOnQemu(progress: Progress): Promise<DriverGuest> {
  await using stack = new AsyncDisposableStack();
  const qemu = await findQemu(11, progress);
  const kernel = await debianKernel('6.1', progress);
  const programs = stack.use(await Programs.build([], progress));
  const sockets = stack.use(new TemporaryDirectory());
  const attach = async (model: ModelName) => {
    const socket = sockets.join(model);
    stack.use(await serveCrypto({ model, engine: 'openssl', queues: dataQueues, socket }));
    const { virtioId, configSize, controlQueues, modules } = models[model];
    const queues = dataQueues + controlQueues;
    return vhostUserDevice(qemu, { socket, id: model, virtioId, queues, queueSize, configSize, modules });
  };
  const devices = [await attach('virtio-cryptodev'), await attach('virtio-crypto')];
  const modules = ['cbc', 'aesni_intel'];
  const guest = stack.use(await Guest.launch({ qemu, kernel, devices, modules, onProgress: progress }));
  await loadCryptodevDriver(guest, kernel, progress);
  // In the guest's own memory they start sooner than from the host's files.
  await guest.check(`cp /host${programs.tool} /host${programs.afAlg} /tmp`);
  const prefix = variables('/tmp/cryptodev-tool', '/tmp/af-alg');
  const owned = stack.move();
  return {
    name: 'TCG',
    ownCiphers: ['cbc(aes-generic)', 'cbc-aes-aesni'],
    run: (script) => guest.check(prefix + script, { timeout }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** v86 emulates the processor, 32 bits of it, and its devices, in this thread. @throws {VmError | V86Error} */
export async function launchOnV86(progress: Progress): Promise<DriverGuest> {
  await using stack = new AsyncDisposableStack();
  const kernel = await debianKernel('6.1-686', progress);
  using programs = await Programs.build(['-m32'], progress);
  const program = async (path: string) => ({ content: await readFile(path), mode: 0o755 });
  const boot = await v86BootImages(
    kernel,
    {
      modules: [...models['virtio-crypto'].modules, 'cbc'],
      files: {
        'bin/cryptodev-tool': await program(programs.tool),
        'bin/af-alg': await program(programs.afAlg),
      },
    },
    progress,
  );
  const devices = [
    new VirtioCryptodevDevice(await createEngine('openssl'), { queueSize }),
    new VirtioCryptoDevice(await createEngine('openssl'), { queueSize }),
  ];
  const machine = stack.use(await V86Machine.launch({ wasm: await v86Wasm(), boot, devices }));
  await loadCryptodevDriver(machine, kernel, progress);
  const prefix = variables('cryptodev-tool', 'af-alg');
  const owned = stack.move();
  return {
    name: 'v86',
    ownCiphers: ['cbc(aes-generic)'],
    run: (script) => machine.check(prefix + script, { timeout }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
