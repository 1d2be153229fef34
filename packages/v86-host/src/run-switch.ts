/** Starts and stops an emulator, which does not take both at once. While it is stopped, no time passes in the guest. */
import type { Emulator } from './emulator.ts';

export class RunSwitch {
  readonly #emulator: Emulator;
  /** Whether the emulator is to run, unless it is held or off. */
  #wanted = false;
  #held = 0;
  #off = false;
  #running = false;
  /** Resolves when what is under way is done. */
  #transition: Promise<void> = Promise.resolve();

  constructor(emulator: Emulator) {
    this.#emulator = emulator;
  }

  get isRunning(): boolean {
    return this.#running;
  }

  /** Lets it run; nothing happens if it does or is to. */
  start(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    void this.#settle();
  }

  /** Resolves when it has stopped, or has been let run again. */
  stop(): Promise<void> {
    this.#wanted = false;
    return this.#settle();
  }

  /** As `stop`, for good. */
  turnOff(): Promise<void> {
    this.#off = true;
    return this.#settle();
  }

  /** Does `action` while it does not run, whatever others want. */
  async hold<T>(action: () => Promise<T>): Promise<T> {
    this.#held += 1;
    try {
      await this.#settle();
      return await action();
    } finally {
      this.#held -= 1;
      await this.#settle();
    }
  }

  #settle(): Promise<void> {
    this.#transition = this.#transition.then(() => this.#follow());
    return this.#transition;
  }

  async #follow(): Promise<void> {
    const { v86, cpu } = this.#emulator;
    const run = this.#wanted && this.#held === 0 && !this.#off;
    if (run === this.#running) return;
    this.#running = run;
    if (run) {
      cpu.set_tsc(cpu.current_tsc[0]!, cpu.current_tsc[1]!);
      await v86.run();
    } else {
      await v86.stop();
      cpu.store_current_tsc();
    }
  }
}
