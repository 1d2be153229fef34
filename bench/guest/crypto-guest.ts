/**
 * A guest with two virtio-crypto devices, of which Linux drives one at a time: ours, all of whose queues are a
 * vhost-user back end's in a worker of this process, and one with QEMU's own back end.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { virtioCryptoDeviceModule } from '@skytale/cryptodev';
import { serveDevice } from '@skytale/vhost-user';
import {
  builtinCrypto,
  findQemu,
  Guest,
  type Progress,
  type QemuDevice,
  quote,
  vhostUserDevice,
} from '@skytale/vm';

const source = fileURLToPath(new URL('./af-alg.c', import.meta.url));
/** Where the devices are on the guest's PCI bus. */
const slots = { ours: '10', builtin: '11' } as const;
export type CryptoDeviceName = keyof typeof slots;

const drivers = '/sys/bus/virtio/drivers/virtio_crypto';

export class CryptoGuest implements AsyncDisposable {
  readonly #stack: AsyncDisposableStack;
  readonly #guest: Guest;
  readonly #program: string;

  private constructor(stack: AsyncDisposableStack, guest: Guest, program: string) {
    this.#stack = stack;
    this.#guest = guest;
    this.#program = program;
  }

  /** Builds the program, starts the back end and boots. @throws {VmError} if there can be no such guest here */
  static async launch(onProgress: Progress): Promise<CryptoGuest> {
    await using stack = new AsyncDisposableStack();
    const directory = await mkdtemp(join(tmpdir(), 'skytale-bench-'));
    stack.defer(() => rm(directory, { recursive: true }));
    const program = join(directory, 'af-alg');
    await promisify(execFile)('gcc', ['-O2', '-Wall', '-Werror', '-o', program, source]);
    const socket = join(directory, 'socket');
    stack.use(await serveDevice({ socket, device: virtioCryptoDeviceModule }));
    const qemu = await findQemu(11, onProgress);
    const modules = ['virtio_pci', 'virtio_crypto', 'algif_skcipher'];
    const ours = vhostUserDevice(qemu, {
      socket,
      virtioId: 20,
      queues: 2,
      configSize: 56,
      id: 'ours',
      modules,
    });
    const devices = [at(slots.ours, ours), at(slots.builtin, builtinCrypto('builtin'))];
    const guest = stack.use(
      await Guest.launch({ qemu, devices, modules: ['cbc', 'aesni_intel'], onProgress }),
    );
    const booted = new CryptoGuest(stack.move(), guest, program);
    for (const name of ['ours', 'builtin'] as const) await booted.#write('unbind', name);
    return booted;
  }

  /**
   * Encrypts by that driver of the kernel, of one process, for so long on each size.
   * @returns requests a second for each size
   */
  async measure(driver: string, milliseconds: number, sizes: readonly number[]): Promise<number[]> {
    const command = [join('/host', this.#program), driver, milliseconds, ...sizes].map(String);
    const lines = (await this.#guest.check(command)).trim().split('\n');
    return lines.map((line) => Number(line.split(' ')[1]));
  }

  /** The same by the virtio-crypto device of that name. */
  async measureDevice(
    name: CryptoDeviceName,
    milliseconds: number,
    sizes: readonly number[],
  ): Promise<number[]> {
    await this.#write('bind', name);
    const rates = await this.measure('virtio_crypto_aes_cbc', milliseconds, sizes);
    await this.#write('unbind', name);
    return rates;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }

  #write(file: 'bind' | 'unbind', name: CryptoDeviceName): Promise<string> {
    const device = `/sys/devices/pci0000:00/0000:00:${slots[name]}.0/virtio*`;
    return this.#guest.check(`basename ${device} >${quote(`${drivers}/${file}`)}`);
  }
}

function at(slot: string, device: QemuDevice): QemuDevice {
  return { ...device, properties: { ...device.properties, addr: `0x${slot}` } };
}
