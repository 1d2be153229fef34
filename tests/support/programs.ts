/** Runs the real `skytale` command in processes of their own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { createInterface } from 'node:readline';
import type { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../packages/skytale/src/main.ts', import.meta.url));

/** Of compiled modules; shared by all runs, as a user's is. */
const cache = fileURLToPath(new URL('../../node_modules/.cache', import.meta.url));

/** How long a program may be silent about what a test waits for. Only failing tests wait so long. */
const patienceMs = 30_000;

export type RunOptions = {
  readonly env?: NodeJS.ProcessEnv;
  /** Written to standard input, which is then closed. Without it standard input stays open. */
  readonly input?: string;
  readonly cwd?: string;
  /** Another `skytale` than the clone's. */
  readonly command?: string;
};

export type Result = { readonly code: number; readonly stdout: string; readonly stderr: string };

/** The environment of a test: nothing of the user's own settings, colours or directories. */
export function cleanEnvironment(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(SKYTALE_|XDG_|NO_COLOR|FORCE_COLOR|NODE_)/.test(name),
  );
  return { ...Object.fromEntries(inherited), XDG_CACHE_HOME: cache, ...extra };
}

/** A running `skytale`. Disposing of it kills what still runs. */
export class Program implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #exit: Promise<[code: number | null, signal: NodeJS.Signals | null]>;
  /** Everything that came so far. */
  stdout = '';
  stderr = '';
  readonly #lines: string[] = [];
  #waiting: (() => void) | undefined;
  #ended = false;

  /** @param keepLines false: standard output is not kept at all; somebody else reads it */
  constructor(args: readonly string[], options: RunOptions = {}) {
    const [file, ...first] = options.command === undefined ? [process.execPath, main] : [options.command];
    this.#child = spawn(file!, [...first, ...args], {
      env: cleanEnvironment(options.env),
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(options.cwd !== undefined && { cwd: options.cwd }),
    });
    this.#exit = once(this.#child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.#waiting?.();
    });
    const stdout = this.#child.stdout!.setEncoding('utf8');
    stdout.on('data', (text: string) => {
      this.stdout += text;
    });
    createInterface({ input: stdout, crlfDelay: Number.POSITIVE_INFINITY }).on('line', (line) => {
      this.#lines.push(line);
      this.#waiting?.();
    });
    this.#child.stdin!.on('error', () => {}); // It may end before it has read everything.
    this.#child.on('close', () => {
      this.#ended = true;
      this.#waiting?.();
    });
    if (options.input !== undefined) this.#child.stdin!.end(options.input);
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get stdin(): Writable {
    return this.#child.stdin!;
  }

  /** Whole lines of standard output so far. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  get running(): boolean {
    return !this.#ended;
  }

  /** Waits until the condition holds. It is looked at whenever the program has written something. */
  async until(condition: () => boolean, what: string): Promise<void> {
    const tooLate = AbortSignal.timeout(patienceMs);
    while (!condition()) {
      const said = `standard error: ${this.stderr.slice(-2000)}`;
      if (this.#ended) throw new Error(`ended before ${what}; ${said}`);
      if (tooLate.aborted) throw new Error(`waited in vain for ${what}; ${said}`);
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
        tooLate.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  }

  async line(number: number): Promise<string> {
    await this.until(() => this.#lines.length > number, `line ${number} of standard output`);
    return this.#lines[number]!;
  }

  async stderrHas(pattern: RegExp): Promise<void> {
    await this.until(() => pattern.test(this.stderr), `${pattern} on standard error`);
  }

  /** Stops reading its standard output: soon it cannot write any more. */
  holdStdout(): void {
    this.#child.stdout!.pause();
  }

  releaseStdout(): void {
    this.#child.stdout!.resume();
  }

  /** Closes our end of its standard output, as `head` does when it has enough. */
  leaveStdout(): void {
    this.#child.stdout!.destroy();
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** The exit code; 128 + n if signal n ended it. */
  async exit(): Promise<number> {
    const [code, signal] = await this.#exit;
    return code ?? 128 + constants.signals[signal!];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) this.#child.kill('SIGKILL');
    await this.#exit;
  }
}

/** Runs a command to its end; its standard input is empty unless given. */
export async function run(args: readonly string[], options: RunOptions = {}): Promise<Result> {
  await using program = new Program(args, { input: '', ...options });
  const code = await program.exit();
  return { code, stdout: program.stdout, stderr: program.stderr };
}

export type Listening = { readonly event: 'listening'; readonly tcp: string; readonly http?: string };

/** A server on a free port of the loopback interface. */
export class Server implements AsyncDisposable {
  readonly program: Program;
  readonly listening: Listening;

  private constructor(program: Program, listening: Listening) {
    this.program = program;
    this.listening = listening;
  }

  static async start(data: string, tcp = '127.0.0.1:0', ...more: string[]): Promise<Server> {
    const args = ['serve', '--json', '--listen', tcp, '--http', '127.0.0.1:0', '--data', data, ...more];
    const program = new Program(args);
    return new Server(program, JSON.parse(await program.line(0)) as Listening);
  }

  get address(): string {
    return this.listening.tcp;
  }

  /** As a power cut: no chance to tidy up. */
  async crash(): Promise<void> {
    this.program.kill('SIGKILL');
    await this.program.exit();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.program[Symbol.asyncDispose]();
  }
}

/** A new room on the server; its invite. */
export async function invite(server: string, ...more: string[]): Promise<string> {
  const result = await run(['invite', '--server', server, '--json', ...more]);
  if (result.code !== 0) throw new Error(`skytale invite: ${result.stderr}`);
  return (JSON.parse(result.stdout) as { invite: string }).invite;
}

/** The invite as if the server were at another address; for a proxy in between. */
export const throughAddress = (link: string, address: string): string =>
  link.replace(/\/\/[^/]+\//, `//${address}/`);
