/**
 * Guests in which AES-128-CBC can be had in several ways at once: from /dev/cryptodev0 by the driver of guest/driver,
 * from the standard's crypto device by Linux's own driver, and from the guest's processor.
 */
import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createEngine, VirtioCryptoDevice, VirtioCryptodevDevice } from '@skytale/cryptodev';
import { V86Machine } from '@skytale/v86-host';
import { buildProgram, debianKernel, findQemu, Guest, type Progress, vhostUserDevice } from '@skytale/vm';
import { type ModelName, models } from '../../packages/skytale/src/device/models.ts';
import { serveCrypto } from '../../packages/skytale/src/device/served-crypto.ts';
import { loadCryptodevDriver } from '../../packages/skytale/src/vm/cryptodev-driver.ts';
import { TemporaryDirectory } from '../../packages/skytale/src/vm/temporary-directory.ts';
import { v86Images } from '../../tests/support/v86-images.ts';

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

/** af-alg, built for guests; cryptodev-tool comes with the driver. */
class AfAlg implements Disposable {
  readonly #directory = new TemporaryDirectory();
  readonly path = this.#directory.join('af-alg');

  static async build(flags: readonly string[], progress: Progress): Promise<AfAlg> {
    const program = new AfAlg();
    const { path } = program.#directory;
    await cp(fileURLToPath(new URL('af-alg.c', import.meta.url)), join(path, 'af-alg.c'));
    const kernel = await debianKernel('6.1', progress);
    await buildProgram(kernel, path, { source: 'af-alg.c', program: 'af-alg', flags });
    return program;
  }

  [Symbol.dispose](): void {
    this.#directory[Symbol.dispose]();
  }
}

const variables = (afAlg: string) =>
  `tool='/usr/local/bin/cryptodev-tool -D /dev/cryptodev0' af_alg='${afAlg}'\n`;

/** QEMU emulates the processor; the devices' back ends are in threads of this process. @throws {VmError} */
export async function launchOnQemu(progress: Progress): Promise<DriverGuest> {
  await using stack = new AsyncDisposableStack();
  const qemu = await findQemu(11, progress);
  const kernel = await debianKernel('6.1', progress);
  const afAlg = stack.use(await AfAlg.build([], progress));
  const sockets = stack.use(new TemporaryDirectory());
  const attach = async (model: ModelName) => {
    const socket = sockets.join(model);
    stack.use(await serveCrypto({ model, engine: 'auto', queues: dataQueues, socket }));
    const { virtioId, configSize, controlQueues, modules } = models[model];
    const queues = dataQueues + controlQueues;
    return vhostUserDevice(qemu, { socket, id: model, virtioId, queues, queueSize, configSize, modules });
  };
  const devices = [await attach('virtio-cryptodev'), await attach('virtio-crypto')];
  const modules = ['cbc', 'aesni_intel'];
  const guest = stack.use(await Guest.launch({ qemu, kernel, devices, modules, onProgress: progress }));
  await loadCryptodevDriver(guest, kernel, progress);
  // In the guest's own memory it starts sooner than from the host's files.
  await guest.check(`cp /host${afAlg.path} /tmp`);
  const prefix = variables('/tmp/af-alg');
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
  using afAlg = await AfAlg.build(['-m32'], progress);
  const images = await v86Images([...models['virtio-crypto'].modules, 'cbc'], {
    'bin/af-alg': { content: await readFile(afAlg.path), mode: 0o755 },
  });
  const devices = [
    new VirtioCryptodevDevice(await createEngine('openssl'), { queueSize }),
    new VirtioCryptoDevice(await createEngine('openssl'), { queueSize }),
  ];
  const machine = stack.use(await V86Machine.launch({ ...images, devices }));
  await loadCryptodevDriver(machine, kernel, progress);
  const prefix = variables('af-alg');
  const owned = stack.move();
  return {
    name: 'v86',
    ownCiphers: ['cbc(aes-generic)'],
    run: (script) => machine.check(prefix + script, { timeout }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
