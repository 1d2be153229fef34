/** A Linux guest in v86, in this thread, with virtio devices attached. */
import type { VirtioDevice } from '@skytale/virtio';
import { type ActivityTimer, activityTimer } from './activity-timer.ts';
import { AGENT_PORT, type BootImages, CONSOLE_PORT, createEmulator, type Emulator } from './emulator.ts';
import { GuestAgent } from './guest-agent.ts';
import { GuestRam } from './guest-ram.ts';
import {
  describe,
  Machine,
  type MachineState,
  RUN_TIMEOUT,
  type RunOptions,
  type RunResult,
} from './machine.ts';
import { PciBus } from './pci-bus.ts';
import { RunSwitch } from './run-switch.ts';
import { shellScript } from './shell-script.ts';
import { asV86Error, V86Error } from './v86-error.ts';

/** What a machine is made of, other than its devices: plain data, that can be sent to a worker. */
export interface MachineImages {
  /** The emulator's WebAssembly code: `build/v86.wasm` of the package `v86`. */
  readonly wasm: WebAssembly.Module | Uint8Array<ArrayBuffer>;
  /** What to boot: firmware, kernel, and an initial file system with `guest/init.sh` as its `/init`. */
  readonly boot?: Omit<BootImages, 'cmdline'> & { readonly cmdline?: string };
  /** Instead of booting: a state that was saved by a machine with the same devices. */
  readonly state?: MachineState;
  /** MiB of memory, if it boots; an initramfs needs more than 64. Default: 128. */
  readonly memory?: number;
  /** Milliseconds until it must take commands. Default: 180,000. */
  readonly bootTimeout?: number;
  /**
   * Milliseconds after which time stops in a guest in which no command runs, no device interrupts and nobody
   * types or is written to, because the emulator never idles. Default: 10,000; Infinity turns it off.
   */
  readonly idleTimeout?: number;
}

export interface V86MachineOptions extends MachineImages {
  /** At most 8. */
  readonly devices?: readonly VirtioDevice[];
}

/**
 * What Debian's 686 kernel needs here: no search for hardware that is not there, no calibration against clocks that
 * are emulated, no measures against flaws of real processors.
 */
const CMDLINE = 'console=ttyS0 quiet panic=0 tsc=reliable mitigations=off noisapnp cryptomgr.notests';

const MIB = 1024 * 1024;
/** How often a command that must end is killed: the first time, it may not have noted its process id yet. */
const KILL_INTERVAL = 500;

export class V86Machine extends Machine {
  readonly ended: Promise<V86Error>;
  readonly #emulator: Emulator;
  readonly #memory: number;
  readonly #ram: GuestRam;
  readonly #bus: PciBus;
  readonly #agent: GuestAgent;
  readonly #switch: RunSwitch;
  readonly #activity: ActivityTimer;
  readonly #settleEnded: (error: V86Error) => void;
  #end: V86Error | undefined;
  #stopped: Promise<void> | undefined;
  #consoleBytes: number[] = [];

  /**
   * Starts a machine; resolves when it takes commands. The devices are closed with it, even if it does not start.
   * Rejects with `launch-failed`, `boot-timeout`, `guest-panic`, `bad-state`, `unsupported-emulator`.
   */
  static async launch(options: V86MachineOptions): Promise<V86Machine> {
    const { wasm, boot, state, devices = [] } = options;
    const memory = state?.memory ?? (options.memory ?? 128) * MIB;
    let emulator: Emulator | undefined;
    let machine: V86Machine;
    try {
      const images = boot && { ...boot, cmdline: boot.cmdline ?? CMDLINE };
      emulator = await createEmulator({ wasm, memory, boot: images });
      machine = new V86Machine(emulator, memory, devices, options.idleTimeout ?? 10_000);
    } catch (error) {
      await emulator?.v86.destroy();
      for (const device of devices) await device.close();
      throw asV86Error(error, 'launch-failed', 'the machine cannot be started');
    }
    try {
      if (state !== undefined) await machine.restoreState(state);
      else await machine.#boot(options.bootTimeout ?? 180_000);
      return machine;
    } catch (error) {
      await machine.stop();
      throw error;
    }
  }

  private constructor(
    emulator: Emulator,
    memory: number,
    devices: readonly VirtioDevice[],
    idleTimeout: number,
  ) {
    super();
    const { promise, resolve } = Promise.withResolvers<V86Error>();
    this.ended = promise;
    this.#settleEnded = resolve;
    this.#emulator = emulator;
    this.#memory = memory;
    this.#switch = new RunSwitch(emulator);
    this.#activity = activityTimer(idleTimeout, () => this.#idle());
    this.#ram = new GuestRam(emulator.cpu);
    this.#bus = new PciBus(emulator.cpu, this.#ram, devices, () => this.#wake());
    this.#agent = new GuestAgent({
      send: (bytes) => emulator.v86.serial_send_bytes(AGENT_PORT, bytes),
      onViolation: (error) => this.#fail(error),
    });
    this.#hookSerialPorts();
    this.#hookMainLoop();
    this.#hookReset();
  }

  /** The devices as the guest sees them, in the order in which they were given. */
  get functions() {
    return this.#bus.functions;
  }

  /** Whether time passes in the guest. */
  get isRunning(): boolean {
    return this.#switch.isRunning;
  }

  async run(command: string | readonly string[], options: RunOptions = {}): Promise<RunResult> {
    const { input = '', timeout = RUN_TIMEOUT } = options;
    const script = new TextEncoder().encode(shellScript(command, options));
    const inputBytes = typeof input === 'string' ? new TextEncoder().encode(input) : input;
    const started = Promise.withResolvers<void>();
    const result = this.#agent.run(script, inputBytes, () => {
      this.#wake();
      started.resolve();
    });
    result.catch(started.reject);
    await started.promise;
    const { status, stdout, stderr } = await this.#limit(result, timeout, command);
    return { status, stdout: decode(stdout), stderr: decode(stderr) };
  }

  writeConsole(data: string | Uint8Array): void {
    const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
    if (this.#end !== undefined) return;
    this.#emulator.v86.serial_send_bytes(CONSOLE_PORT, bytes);
    this.#wake();
  }

  async pause(): Promise<void> {
    await this.#switch.stop();
  }

  async saveState(): Promise<MachineState> {
    await this.#agent.ready;
    return this.#agent.between(() =>
      this.#hold(async () => {
        try {
          await this.#bus.suspend();
          const emulator = await this.#emulator.v86.save_state();
          return { memory: this.#memory, emulator, devices: this.functions.map((fn) => fn.saveState()) };
        } finally {
          this.#bus.resume();
        }
      }),
    );
  }

  async restoreState(state: MachineState): Promise<void> {
    try {
      await this.#hold(() => this.#restore(state));
    } catch (error) {
      const reason = asV86Error(error, 'bad-state', 'the saved state cannot be restored');
      this.#fail(reason);
      throw reason;
    }
    this.#agent.restored(new V86Error('guest-reset', 'the machine was put back to a saved state'));
    this.#wake();
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#close();
    return this.#stopped;
  }

  async #boot(timeout: number): Promise<void> {
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      const message = `not up after ${timeout} ms; its console:\n${this.consoleText.slice(-2000)}`;
      reject(new V86Error('boot-timeout', message));
    }, timeout);
    this.#wake();
    try {
      await Promise.race([this.#agent.ready, promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #restore({ memory, emulator, devices }: MachineState): Promise<void> {
    if (memory !== this.#memory)
      throw new V86Error('bad-state', `${memory} bytes of memory were saved, there are ${this.#memory}`);
    if (devices.length !== this.functions.length)
      throw new V86Error(
        'bad-state',
        `${devices.length} devices were saved, there are ${this.functions.length}`,
      );
    this.#bus.reset();
    await this.#bus.whenIdle();
    const { v86, cpu } = this.#emulator;
    await v86.restore_state(emulator);
    for (const { input } of [cpu.devices.uart0, cpu.devices.uart1]) input.length = 0;
    this.#bus.follow();
    for (const [i, fn] of this.functions.entries()) await fn.restoreState(devices[i]!);
  }

  async #limit<T>(result: Promise<T>, timeout: number, command: string | readonly string[]): Promise<T> {
    const { promise: expired, reject } = Promise.withResolvers<never>();
    let killing: ReturnType<typeof setInterval> | undefined;
    const timer = setTimeout(() => {
      this.#agent.kill();
      killing = setInterval(() => this.#agent.kill(), KILL_INTERVAL);
      result.catch(() => {}).finally(() => clearInterval(killing));
      reject(new V86Error('timeout', `not ended after ${timeout} ms: ${describe(command)}`));
    }, timeout);
    try {
      return await Promise.race([result, expired]);
    } finally {
      clearTimeout(timer);
    }
  }

  #hookSerialPorts(): void {
    const { v86 } = this.#emulator;
    v86.add_listener(`serial${AGENT_PORT}-output-byte`, (byte: number) => {
      this.#activity.note();
      this.#agent.push(byte);
    });
    v86.add_listener(`serial${CONSOLE_PORT}-output-byte`, (byte: number) => {
      this.#activity.note();
      if (this.#consoleBytes.length === 0) queueMicrotask(() => this.#passConsole());
      this.#consoleBytes.push(byte);
    });
  }

  #passConsole(): void {
    this.receiveConsole(Uint8Array.from(this.#consoleBytes));
    this.#consoleBytes = [];
    const panic = /end Kernel panic - (.*?) *\]---/.exec(this.consoleText.slice(-2000));
    if (panic !== null) this.#fail(new V86Error('guest-panic', `the guest's kernel panicked: ${panic[1]}`));
  }

  /** The emulator runs in steps of this function, which it calls in turns of the event loop. */
  #hookMainLoop(): void {
    const { cpu } = this.#emulator;
    const mainLoop = cpu.main_loop.bind(cpu);
    cpu.main_loop = () => {
      try {
        return mainLoop();
      } catch (error) {
        this.#fail(asV86Error(error, 'emulator-failed', 'v86 failed'));
        return 0;
      } finally {
        this.#bus.follow();
      }
    };
  }

  /** v86 puts kernel and initramfs into the guest's memory once; after a reset they are not there any more. */
  #hookReset(): void {
    const { cpu } = this.#emulator;
    const reset = cpu.reboot_internal.bind(cpu);
    cpu.reboot_internal = () => {
      reset();
      this.#bus.reset();
      this.#fail(
        new V86Error('guest-reset', 'the guest reset itself, and cannot boot again: launch another'),
      );
    };
  }

  /** Somebody wants something of the guest. */
  #wake(): void {
    this.#activity.note();
    this.#switch.start();
  }

  #idle(): boolean {
    const isUnused = !this.#agent.isBusy && this.#agent.isReady;
    if (isUnused) void this.#switch.stop();
    return isUnused;
  }

  /** Does `action` while the emulator does not run. */
  #hold<T>(action: () => Promise<T>): Promise<T> {
    return this.#switch.hold(() => {
      if (this.#end !== undefined) throw this.#end;
      return action();
    });
  }

  /** Nothing more will come of the guest. The first reason stands. */
  #fail(reason: V86Error): void {
    if (this.#end !== undefined) return;
    this.#end = reason;
    this.#activity.stop();
    this.#agent.fail(reason);
    this.#settleEnded(reason);
    void this.#switch.turnOff();
  }

  async #close(): Promise<void> {
    this.#fail(new V86Error('guest-gone', 'the machine was stopped'));
    await this.#switch.turnOff();
    await this.#emulator.v86.destroy();
    await this.#bus.close();
  }
}

const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
