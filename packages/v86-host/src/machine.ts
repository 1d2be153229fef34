/** What can be done with a machine, whichever thread it runs in. */

import type { CommandOptions } from './shell-script.ts';
import { V86Error } from './v86-error.ts';
import type { VirtioPciState } from './virtio-pci.ts';

export interface RunOptions extends CommandOptions {
  readonly input?: string | Uint8Array;
  /** Milliseconds until the command is killed and `run` rejects with `timeout`. Default: 60,000. */
  readonly timeout?: number;
}

export interface RunResult {
  /** The exit status; 128 + n after signal n. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A machine as it is saved: plain data, for the structured clone algorithm. It holds all the guest's secrets. */
export interface MachineState {
  /** Bytes of the guest's memory. */
  readonly memory: number;
  /** In v86's own format, not compressed. */
  readonly emulator: ArrayBuffer;
  /** In the order of the devices. */
  readonly devices: readonly VirtioPciState[];
}

/** Characters of the console that are kept. */
const CONSOLE_CAPACITY = 1024 * 1024;

export abstract class Machine implements AsyncDisposable {
  readonly #listeners = new Set<(bytes: Uint8Array) => void>();
  readonly #decoder = new TextDecoder();
  #consoleText = '';

  /**
   * Runs a shell script, or a program with its arguments, to its end; one at a time, others wait. Any status is
   * a result. Rejects with `timeout`, `guest-reset`, or what ended the machine.
   */
  abstract run(command: string | readonly string[], options?: RunOptions): Promise<RunResult>;

  /** Types at the guest's console. */
  abstract writeConsole(data: string | Uint8Array): void;

  /** Stops time in the guest. What is asked of it lets it go on. */
  abstract pause(): Promise<void>;

  /** Saves the whole machine between two commands; it goes on as before. */
  abstract saveState(): Promise<MachineState>;

  /** Puts the machine back to a state that was saved; the command that runs fails with `guest-reset`. Rejects
   *  with `bad-state`, and the machine has then ended, if memory or devices are not those that were saved. */
  abstract restoreState(state: MachineState): Promise<void>;

  /** Resolves when the machine has ended, with why: `guest-gone` if it was stopped. */
  abstract readonly ended: Promise<V86Error>;

  /** Ends the machine and closes its devices. */
  abstract stop(): Promise<void>;

  /** As `run`, and returns the standard output; a status other than 0 rejects with `command-failed`. */
  async check(command: string | readonly string[], options: RunOptions = {}): Promise<string> {
    const { status, stdout, stderr } = await this.run(command, options);
    if (status === 0) return stdout;
    const output = `${stdout}${stderr}`.slice(-4000);
    throw new V86Error('command-failed', `status ${status} of ${describe(command)}:\n${output}`);
  }

  /** What the guest writes to its console, as it comes. Returns what ends that. */
  onConsole(listener: (bytes: Uint8Array) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** What the guest has written to its console, up to a mebibyte. */
  get consoleText(): string {
    return this.#consoleText;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** For subclasses: the guest has written to its console. */
  protected receiveConsole(bytes: Uint8Array): void {
    const text = this.#decoder.decode(bytes, { stream: true });
    this.#consoleText = (this.#consoleText + text).slice(-CONSOLE_CAPACITY);
    for (const listener of this.#listeners) listener(bytes);
  }
}

/** A command as an error message names it. */
export function describe(command: string | readonly string[]): string {
  return (typeof command === 'string' ? command : command.join(' ')).slice(0, 200);
}

/** Milliseconds that a command may take unless told otherwise. */
export const RUN_TIMEOUT = 60_000;
