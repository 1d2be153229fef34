/**
 * DPDK's vhost_crypto, the one other vhost-user back end of this kind: an example program, whose source and
 * libraries come from Debian's packages into the cache and are compiled there. Nothing is installed.
 *
 * Its worker polls on processor 1 without rest, and its main thread spins on processor 0: that one gets what
 * time others leave. While it is not measured it is stopped.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { debianTree, type Progress } from '@skytale/vm';

const libraries = 'usr/lib/x86_64-linux-gnu';
const program = 'vhost_crypto';
/** What the example uses, and of all drivers that DPDK has, those that are wanted here. */
const linked = ['vhost', 'cryptodev', 'mempool', 'mbuf', 'eal', 'kvargs', 'ring'];
const drivers = ['bus_vdev', 'mempool_ring', 'crypto_openssl', 'crypto_ipsec_mb'];
/** The packages that it is built of, among all that Debian's dependencies name: not the C library. */
const wanted =
  /^(dpdk-doc|libdpdk-dev|libbsd-dev|librte-.*|lib(ipsec-mb1|numa1|bsd0|md0|pcap0.8|elf1|jansson4|fdt1|ssl3|dbus-1-3|bpf1|xdp1|archive13))$/;

export type DpdkDriver = 'crypto_openssl' | 'crypto_aesni_mb';

/** The one that its worker polls on. */
export const dpdkProcessor = 1;

/** Most bytes of data in a request; with more, its queue hangs. */
export const dpdkLargest = 2176;

/**
 * Fetches and compiles it, once for a machine.
 * @returns the directory with its program and its libraries
 * @throws {Error} if that is not possible here; the message says why
 */
export function buildDpdk(onProgress: Progress): Promise<string> {
  return debianTree({
    suite: 'bookworm',
    architecture: 'amd64',
    packages: ['libdpdk-dev', 'dpdk-doc'],
    only: wanted,
    purpose: program,
    finish: compile,
    onProgress,
  });
}

async function compile(tree: string): Promise<void> {
  const include = join(tree, 'usr/include');
  const library = join(tree, libraries);
  await promisify(execFile)('gcc', [
    ...['-O3', '-march=native', '-w', '-DALLOW_EXPERIMENTAL_API', '-include', 'rte_config.h'],
    ...[include, join(include, 'dpdk'), join(include, 'x86_64-linux-gnu/dpdk')].map((path) => `-I${path}`),
    ...[join(tree, 'usr/share/dpdk/examples/vhost_crypto/main.c'), '-o', join(tree, program)],
    ...[`-L${library}`, `-Wl,-rpath-link,${library}`, '-Wl,--no-as-needed'],
    ...[...linked, ...drivers].map((name) => `-lrte_${name}`),
  ]);
}

export class DpdkBackend implements AsyncDisposable {
  readonly socket: string;
  readonly #directory: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;

  private constructor(tree: string, driver: DpdkDriver) {
    if (availableParallelism() < 2) throw new Error('DPDK needs two processors');
    this.#directory = mkdtempSync(join(tmpdir(), 'skytale-dpdk-'));
    this.socket = join(this.#directory, 'socket');
    const eal = [
      '--no-huge',
      '-m',
      '512',
      '--no-pci',
      '--no-telemetry',
      '--no-shconf',
      '-l',
      `0,${dpdkProcessor}`,
    ];
    const log = ['--log-level', 'error', '--log-level', '*:error'];
    // It ends with the thread that starts it, whatever ends that.
    this.#child = spawn(
      'setpriv',
      [
        ...['--pdeathsig', 'KILL', join(tree, program)],
        ...[...eal, ...log, '--vdev', `${driver}0`, '--'],
        ...['--config', `(${dpdkProcessor},0,0)`, '--socket-file', `${dpdkProcessor},${this.socket}`],
      ],
      {
        env: { ...process.env, LD_LIBRARY_PATH: join(tree, libraries) },
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    this.#exited = once(this.#child, 'exit');
  }

  static async start(tree: string, driver: DpdkDriver): Promise<DpdkBackend> {
    const backend = new DpdkBackend(tree, driver);
    try {
      await backend.#listening();
      await promisify(execFile)('chrt', ['--idle', '--pid', '0', `${backend.#child.pid}`]);
      return backend;
    } catch (error) {
      await backend[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Lets nothing of it run. There must be no request under way. */
  pause(): void {
    this.#child.kill('SIGSTOP');
  }

  resume(): void {
    this.#child.kill('SIGCONT');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
    rmSync(this.#directory, { recursive: true });
  }

  /** It says so only among many other lines, which it would go on to write and nobody to read. */
  async #listening(): Promise<void> {
    let said = '';
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-2000);
    });
    while (!isListening(this.socket)) {
      if (this.#child.exitCode !== null) throw new Error(`DPDK's vhost_crypto ended: ${said.trim()}`);
      await setTimeout(10);
    }
  }
}

/** Whether somebody listens on that Unix socket: __SO_ACCEPTCON among its flags. */
function isListening(path: string): boolean {
  const sockets = readFileSync('/proc/net/unix', 'utf8').split('\n');
  return sockets.some((line) => line.endsWith(` ${path}`) && line.includes(' 00010000 '));
}
