/** A running Linux guest. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { CommandSlot, type GuestProcess } from './command-slot.ts';
import { assertNoComplaints, ConsoleLog } from './console-log.ts';
import type { Progress } from './debian-packages.ts';
import type { DebianSystem } from './debian-system.ts';
import { guestInitramfs } from './guest-initramfs.ts';
import { debianKernel, type Kernel } from './kernel.ts';
import { armQemu, findQemu, type Qemu } from './qemu.ts';
import { qemuArguments, serialConsoles } from './qemu-arguments.ts';
import type { QemuDevice } from './qemu-devices.ts';
import { Qmp } from './qmp.ts';
import { missingProgram } from './run-program.ts';
import { type CommandOptions, shellScript } from './shell.ts';
import { VmError } from './vm-error.ts';

export interface GuestOptions {
  /** Default: the host's, or QEMU 11 from Debian's packages. */
  readonly qemu?: Qemu;
  /** Default: that of `system`, or Linux 6.1. */
  readonly kernel?: Kernel;
  /** MiB. Default: 1024. */
  readonly memory?: number;
  /** Default: 2. */
  readonly cpus?: number;
  /** `tcg`, the default, emulates the CPU and works everywhere; `kvm` needs a working /dev/kvm. */
  readonly acceleration?: 'tcg' | 'kvm';
  /** Attached at the start, with the modules that drive them loaded. */
  readonly devices?: readonly QemuDevice[];
  /** More modules to load at boot. */
  readonly modules?: readonly string[];
  /** Empty slots for `plug`. Default: none. */
  readonly hotplugSlots?: number;
  /** Whether the guest's root is the host's file tree (writable, but the host's files stay as they are), or,
   *  with false, nothing but busybox. The tree must not change while the guest runs. `/tmp`, `/run`, `/dev`,
   *  `/proc` and `/sys` are the guest's own, save that a project which lies in `/tmp` or `/run` is seen there;
   *  `/host` is the host's tree as it is, its `/tmp` included. Default: true. */
  readonly hostTree?: boolean;
  /** The guest is this system, on its own files (writable, but those in the directory stay as they are) in place of
   *  the host's; nothing of it is started. */
  readonly system?: DebianSystem;
  /** Whether it has a network, QEMU's user-mode one. Default: false. */
  readonly network?: boolean;
  readonly kernelArguments?: readonly string[];
  readonly qemuArguments?: readonly string[];
  /** Milliseconds until it must be up. Default: 180,000. */
  readonly bootTimeout?: number;
  readonly onProgress?: Progress;
}

export interface RunOptions extends CommandOptions {
  readonly input?: string | Uint8Array;
  /** Milliseconds until the command is killed and `run` rejects with `timeout`. Default: 60,000. */
  readonly timeout?: number;
}

export interface RunResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface GuestEnd {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Commands that run at once; more wait for their turn. One slot more is kept for signals and the terminal. */
const commandSlots = 8;
const slotCount = commandSlots + 1;

/** File descriptors that QEMU inherits, after standard input, output and error. */
const descriptors = {
  monitor: 3,
  console: 4,
  terminal: 5,
  slots: Array.from({ length: slotCount }, (_, index) => ({ data: 6 + 2 * index, errors: 7 + 2 * index })),
};
const descriptorCount = 6 + 2 * slotCount;

export class Guest implements AsyncDisposable {
  readonly qemu: Qemu;
  readonly kernel: Kernel;
  readonly options: GuestOptions;
  /** The process of QEMU. */
  readonly pid: number;
  readonly console: ConsoleLog;
  readonly qmp: Qmp;
  /** The guest's terminal, its /dev/hvc0. */
  readonly terminal: Duplex;
  /** Resolves when QEMU has ended, for whatever reason. */
  readonly exited: Promise<GuestEnd>;

  readonly #child: ChildProcess;
  readonly #slots: CommandSlot[];
  readonly #free: CommandSlot[] = [];
  readonly #waiting: PromiseWithResolvers<CommandSlot>[] = [];
  #booted = Promise.withResolvers<void>();
  #end: VmError | undefined;
  #stderr = '';
  #boots = 0;
  #resets = 0;

  /**
   * Boots a guest; resolves when it takes commands. What is missing of QEMU, kernel and busybox is fetched first.
   * The guest ends when the thread that called this does, however that ends.
   * Rejects with `launch-failed`, `boot-timeout`, `guest-panic`, or as `debianTree` does.
   */
  static async launch(options: GuestOptions = {}): Promise<Guest> {
    const { onProgress } = options;
    const kernel = options.kernel ?? options.system?.kernel ?? (await debianKernel('6.1', onProgress));
    const arm = kernel.source.architecture === 'arm64';
    const qemu = options.qemu ?? (await (arm ? armQemu(onProgress) : findQemu(undefined, onProgress)));
    const initramfs = await guestInitramfs({
      kernel,
      modules: [...(options.devices ?? []).flatMap(({ modules }) => modules), ...(options.modules ?? [])],
      tree: options.system !== undefined ? 'system' : (options.hostTree ?? true) ? 'host' : undefined,
      network: options.network ?? false,
      slots: slotCount,
      onProgress,
    });
    const child = await startQemu(qemu, kernel, initramfs, options);
    const guest = new Guest(child, qemu, kernel, options);
    try {
      await guest.qmp.negotiate().catch(() => {}); // if QEMU has ended, that is said better below
      await guest.waitForBoot();
      return guest;
    } catch (error) {
      await guest.kill();
      throw error;
    }
  }

  private constructor(child: ChildProcess, qemu: Qemu, kernel: Kernel, options: GuestOptions) {
    const channel = (fd: number) => child.stdio[fd] as Duplex;
    this.qemu = qemu;
    this.kernel = kernel;
    this.options = options;
    this.#child = child;
    this.pid = child.pid!;
    this.exited = once(child, 'close').then(([status, signal]) => ({ status, signal }));
    this.console = new ConsoleLog(channel(descriptors.console), (why) => this.#panicked(why));
    this.qmp = new Qmp(channel(descriptors.monitor));
    this.terminal = channel(descriptors.terminal).on('error', () => {});
    this.#slots = descriptors.slots.map(
      ({ data, errors }, index) => new CommandSlot(index + 1, channel(data), channel(errors)),
    );
    this.#free = this.#slots.slice(1);
    this.#booted.promise.catch(() => {}); // whoever waits for it is told
    child.stderr!.setEncoding('utf8').on('data', (chunk: string) => {
      this.#stderr = (this.#stderr + chunk).slice(-8000);
    });
    child.once('exit', () => this.#ended());
    this.qmp.subscribe(({ event }) => {
      if (event === 'RESET') this.#reset();
    });
    this.#expectBoot();
  }

  get #control(): CommandSlot {
    return this.#slots[0]!;
  }

  /** How often the guest has come up: 1 after `launch`. */
  get boots(): number {
    return this.#boots;
  }

  /** Resolves when the guest takes commands: at once, or after a reset that is under way. */
  async waitForBoot(): Promise<void> {
    const { bootTimeout = 180_000 } = this.options;
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(
      () =>
        reject(
          new VmError('boot-timeout', `not up after ${bootTimeout} ms; its console:\n${this.#consoleTail()}`),
        ),
      bootTimeout,
    );
    try {
      await Promise.race([this.#booted.promise, promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Runs a shell script, or a program with its arguments, to its end. Rejects with `timeout` and as `exited` of
   *  a `GuestProcess` does; any status is a result. */
  async run(command: string | readonly string[], options: RunOptions = {}): Promise<RunResult> {
    const { input = '', timeout = 60_000 } = options;
    const child = await this.spawn(command, options);
    child.stdin.end(input);
    let timedOut = false;
    const { promise: expired, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('KILL').catch(() => {}); // then the guest itself is gone
      reject(new VmError('timeout', `not ended after ${timeout} ms: ${describe(command)}`));
    }, timeout);
    const output = Promise.all([child.exited, text(child.stdout), text(child.stderr)]);
    output.catch(() => {});
    try {
      const [status, stdout, stderr] = await Promise.race([output, expired]);
      return { status, stdout, stderr };
    } catch (error) {
      if (!timedOut) await child.exited; // says better than a broken stream what has happened
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** As `run`, and returns the standard output; a status other than 0 rejects with `command-failed`. */
  async check(command: string | readonly string[], options: RunOptions = {}): Promise<string> {
    const { status, stdout, stderr } = await this.run(command, options);
    if (status === 0) return stdout;
    const output = `${stdout}${stderr}`.slice(-4000);
    throw new VmError('command-failed', `status ${status} of ${describe(command)}:\n${output}`);
  }

  /** Starts a shell script, or a program with its arguments, with streams to and from it. Waits for a free slot
   *  while eight commands run. */
  async spawn(command: string | readonly string[], options: CommandOptions = {}): Promise<GuestProcess> {
    const script = shellScript(command, options);
    await this.#booted.promise;
    const slot = await this.#takeSlot();
    const child = slot.start(script);
    const release = () => this.#releaseSlot(slot);
    let running = true;
    const ended = () => {
      running = false;
      release();
    };
    child.exited.then(ended, ended);
    const kill = async (signal = 'KILL') => {
      // Between the start and the note of its process id there is nothing to send a signal to.
      const script = `read -r pid </run/skytale/${slot.number}/pid && { kill -${signal} -"$pid"; true; }`;
      while (running && (await this.control(script)) !== 0);
    };
    return { ...child, kill };
  }

  #controlQueue: Promise<unknown> = Promise.resolve();

  /** Runs a short script in the slot that is kept for this, so that it never waits for other commands. */
  control(script: string): Promise<number> {
    const result = this.#controlQueue.then(async () => {
      await this.#booted.promise;
      const child = this.#control.start(script);
      child.stdin.end();
      child.stdout.resume();
      child.stderr.resume();
      return child.exited;
    });
    this.#controlQueue = result.catch(() => {});
    return result;
  }

  /** The kernel's log (dmesg). */
  kernelLog(): Promise<string> {
    return this.check('dmesg');
  }

  /** Throws `kernel-log` if the kernel complained (WARN, BUG, Oops, lockdep, …) since the guest was launched. */
  assertCleanLog(expected: readonly RegExp[] = []): void {
    assertNoComplaints(this.console.text, expected);
  }

  /** Presses the reset button and waits until the guest is up again. What runs in it fails with `guest-reset`. */
  async reset(): Promise<void> {
    const before = this.#resets;
    const { promise, resolve } = Promise.withResolvers<void>();
    const unsubscribe = this.qmp.subscribe(({ event }) => event === 'RESET' && resolve());
    try {
      await this.qmp.execute('system_reset');
      if (this.#resets === before) await Promise.race([promise, this.exited]);
    } finally {
      unsubscribe();
    }
    await this.waitForBoot();
  }

  /** Plugs a device into the empty slot with this number. */
  async plug(device: QemuDevice, slot = 0): Promise<void> {
    for (const { id, path } of device.sockets) {
      const addr = { type: 'unix', data: { path } };
      await this.qmp.execute('chardev-add', {
        id,
        backend: { type: 'socket', data: { addr, server: false } },
      });
    }
    for (const object of device.objects) await this.qmp.execute('object-add', object);
    await this.qmp.execute('device_add', { ...device.properties, bus: `hotplug${slot}` });
  }

  /** Unplugs a device and resolves when the guest has let it go. */
  async unplug(device: QemuDevice, timeout = 60_000): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const unsubscribe = this.qmp.subscribe(({ event, data }) => {
      if (event === 'DEVICE_DELETED' && data.device === device.id) resolve();
    });
    const timer = setTimeout(
      () => reject(new VmError('timeout', `the guest has not let ${device.id} go in ${timeout} ms`)),
      timeout,
    );
    try {
      await this.qmp.execute('device_del', { id: device.id });
      await Promise.race([promise, this.exited.then(() => Promise.reject(this.#end))]);
    } finally {
      clearTimeout(timer);
      unsubscribe();
    }
    for (const { id } of device.objects) await this.qmp.execute('object-del', { id });
    for (const { id } of device.sockets) await this.qmp.execute('chardev-remove', { id });
  }

  /** Ends QEMU at once, as pulling the plug does, and waits until it is gone. */
  async kill(): Promise<GuestEnd> {
    this.#child.kill('SIGKILL');
    return this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  async #takeSlot(): Promise<CommandSlot> {
    if (this.#end !== undefined) throw this.#end;
    const slot = this.#free.shift();
    if (slot !== undefined) return slot;
    const waiting = Promise.withResolvers<CommandSlot>();
    this.#waiting.push(waiting);
    return waiting.promise;
  }

  async #releaseSlot(slot: CommandSlot): Promise<void> {
    await slot.ready; // after a reset: once the agent is there again
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(slot);
    else next.resolve(slot);
  }

  #expectBoot(): void {
    const resets = this.#resets;
    Promise.all(this.#slots.map((slot) => slot.ready)).then(() => {
      if (resets !== this.#resets) return;
      this.#boots += 1;
      this.#booted.resolve();
    });
  }

  #reset(): void {
    this.#resets += 1;
    const reason = new VmError('guest-reset', 'the guest was reset');
    const earlier = this.#booted;
    this.#booted = Promise.withResolvers<void>();
    this.#booted.promise.catch(() => {});
    earlier.resolve(this.#booted.promise); // who still waits for the boot before waits for this one
    for (const slot of this.#slots) slot.reset(reason);
    this.#expectBoot();
  }

  #panicked(why: string): void {
    this.#fail(new VmError('guest-panic', `the guest's kernel panicked: ${why}\n${this.#consoleTail()}`));
    this.#child.kill('SIGKILL');
  }

  #ended(): void {
    const words = this.#stderr.trim() || 'it said nothing';
    this.#fail(
      this.#boots === 0
        ? new VmError(
            'launch-failed',
            `QEMU ${this.qemu.version} ended: ${words}\n${this.#consoleTail()}`.trim(),
          )
        : new VmError('guest-gone', `QEMU ${this.qemu.version} has ended: ${words}`),
    );
  }

  /** Nothing more will come of the guest. The first reason stands. */
  #fail(reason: VmError): void {
    this.#end ??= reason;
    this.#booted.reject(this.#end);
    for (const slot of this.#slots) slot.fail(this.#end);
    for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#end);
  }

  #consoleTail(): string {
    return this.console.text.slice(-2000);
  }
}

async function startQemu(
  qemu: Qemu,
  kernel: Kernel,
  initramfs: string,
  options: GuestOptions,
): Promise<ChildProcess> {
  const { architecture } = kernel.source;
  const machine = {
    architecture,
    image: kernel.image,
    initramfs,
    // loglevel=5: warnings and worse reach the console even if the guest then dies. panic=0: halt, to be found out.
    kernelArguments: [
      `console=${serialConsoles[architecture]}`,
      'loglevel=5',
      'panic=0',
      ...(options.kernelArguments ?? []),
    ],
    memory: options.memory ?? 1024,
    cpus: options.cpus ?? 2,
    acceleration: options.acceleration ?? 'tcg',
    devices: options.devices ?? [],
    hotplugSlots: options.hotplugSlots ?? 0,
    tree: options.system?.tree ?? ((options.hostTree ?? true) ? '/' : undefined),
    network: options.network ?? false,
    extraArguments: options.qemuArguments ?? [],
  };
  // setpriv has the kernel end QEMU with us: no code of ours runs when we are killed.
  const command = ['--pdeathsig', 'KILL', ...qemu.command, ...qemuArguments(machine, descriptors)];
  const pipes = Array.from({ length: descriptorCount }, (_, fd) => (fd < 2 ? 'ignore' : 'pipe'));
  const child = spawn('setpriv', command, { stdio: pipes as 'pipe'[], env: { ...process.env, ...qemu.env } });
  await once(child, 'spawn').catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ENOENT' ? missingProgram('setpriv') : error;
  });
  return child;
}

const describe = (command: string | readonly string[]) =>
  (typeof command === 'string' ? command : command.join(' ')).slice(0, 200);
