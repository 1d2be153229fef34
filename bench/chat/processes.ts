/** The processes of the benchmark: two servers and the load generator. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LoadAnswer, LoadRequest } from './load.ts';
import type { Address } from './wire.ts';

export interface ServerProcess extends AsyncDisposable {
  readonly address: Address;
  readonly pid: number;
}

/** The server's memory after a garbage collection: what is reachable, and all; in bytes. */
export interface Memory {
  readonly used: number;
  readonly rss: number;
}

export class SkytaleProcess implements ServerProcess {
  readonly #child: ChildProcess;
  readonly #directory: string;
  readonly address: Address;

  private constructor(child: ChildProcess, directory: string, address: Address) {
    this.#child = child;
    this.#directory = directory;
    this.address = address;
  }

  static async start(durability: 'full' | 'normal' = 'full'): Promise<SkytaleProcess> {
    const directory = mkdtempSync(join(tmpdir(), 'skytale-bench-'));
    const path = new URL('./skytale-server.ts', import.meta.url);
    const profile = process.env.SKYTALE_BENCH_PROFILE;
    const execArgv = [
      '--expose-gc',
      ...(profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]),
    ];
    const child = fork(path, [directory, durability], { execArgv });
    return new SkytaleProcess(child, directory, (await answerOf(child)) as Address);
  }

  get pid(): number {
    return this.#child.pid!;
  }

  async memory(): Promise<Memory> {
    this.#child.send('memory');
    return (await answerOf(this.#child)) as Memory;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.disconnect();
    await once(this.#child, 'exit');
    rmSync(this.#directory, { recursive: true });
  }
}

export class NatsProcess implements ServerProcess {
  readonly #child: ChildProcess;
  readonly #directory: string;
  readonly address: Address;

  private constructor(child: ChildProcess, directory: string, address: Address) {
    this.#child = child;
    this.#directory = directory;
    this.address = address;
  }

  static async start(): Promise<NatsProcess> {
    const directory = mkdtempSync(join(tmpdir(), 'skytale-bench-'));
    const child = spawn('nats-server', ['-a', '127.0.0.1', '-p', '-1', '--ports_file_dir', directory], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const gone = once(child, 'exit').then(() => {
      throw new Error('nats-server ended');
    });
    const ready = (async () => {
      for await (const piece of child.stderr) if (String(piece).includes('Server is ready')) return;
    })();
    try {
      await Promise.race([ready, gone]);
      gone.catch(() => undefined);
      child.stderr.resume();
      return new NatsProcess(child, directory, { host: '127.0.0.1', port: await portIn(directory) });
    } catch (error) {
      child.kill();
      rmSync(directory, { recursive: true });
      throw error;
    }
  }

  get pid(): number {
    return this.#child.pid!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill();
    if (this.#child.exitCode === null) await once(this.#child, 'exit');
    rmSync(this.#directory, { recursive: true });
  }
}

/** The port that nats-server writes down once it is ready: {"nats":["nats://127.0.0.1:PORT"], …}. */
async function portIn(directory: string): Promise<number> {
  for (;;) {
    const file = readdirSync(directory).find((name) => name.endsWith('.ports'));
    const text = file === undefined ? '' : readFileSync(join(directory, file), 'utf8');
    const port = /nats:\/\/[^"]*:(\d+)/.exec(text)?.[1];
    if (port !== undefined) return Number(port);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export class LoadProcess implements AsyncDisposable {
  readonly #child = fork(new URL('./load.ts', import.meta.url));

  async ask(request: LoadRequest): Promise<Exclude<LoadAnswer, { error: string }>> {
    this.#child.send(request);
    const answer = (await answerOf(this.#child)) as LoadAnswer;
    if ('error' in answer) throw new Error(`load generator: ${answer.error}`);
    return answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    this.#child.disconnect();
    await once(this.#child, 'exit');
  }
}

async function answerOf(child: ChildProcess): Promise<unknown> {
  const done = new AbortController();
  const { signal } = done;
  const answer = once(child, 'message', { signal }).then(([message]) => message as unknown);
  const gone = once(child, 'exit', { signal }).then(() => {
    throw new Error(`process ${child.pid} ended`);
  });
  try {
    return await Promise.race([answer, gone]);
  } finally {
    done.abort();
    await Promise.allSettled([answer, gone]);
  }
}

/** Resident memory of a process, in bytes. */
export function residentBytes(pid: number): number {
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1]) * 1024;
}

/** Linux counts a process's time in these. */
const TICKS_PER_SECOND = 100;

/** Time of the processor that a process has used, in seconds. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // Behind the name, which may hold anything: utime and stime are fields 14 and 15 (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
