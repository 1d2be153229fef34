import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { LogError, type LogErrorCode } from './log-error.ts';
import type { Batch, LogChunk, MessageLog, RoomState } from './message-log.ts';
import type { SqliteLogOptions } from './sqlite-store.ts';

/** What the thread of the log is asked; `method` and `args` are those of MessageLog. */
export type LogRequest = { readonly id: number } & LogCall;
type LogCall =
  | { readonly method: 'open' | 'roomCount' | 'close'; readonly args: [] }
  | { readonly method: 'createRoom' | 'roomState'; readonly args: [room: string] }
  | { readonly method: 'lastN'; readonly args: [room: string, member: string] }
  | { readonly method: 'append'; readonly args: [batches: readonly Batch[]] }
  | { readonly method: 'read'; readonly args: [room: string, after: number, maxBytes: number] }
  | { readonly method: 'prune'; readonly args: [before: number] };

export interface LogAnswer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: { readonly code: LogErrorCode; readonly message: string };
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: LogError): void;
}

/**
 * The log in an SQLite database, worked by a thread of its own, so that waiting for the disk holds up
 * nobody. Requests are performed in the order they are made.
 */
export class SqliteLog implements MessageLog {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #exited: Promise<unknown>;
  #nextId = 1;
  /** Why nothing more can be asked. */
  #ended: LogError | undefined;

  private constructor(options: SqliteLogOptions) {
    this.#worker = new Worker(new URL('./sqlite-worker.ts', import.meta.url), { workerData: options });
    this.#exited = once(this.#worker, 'exit').catch(() => undefined);
    this.#worker.on('message', (answer: LogAnswer) => this.#answered(answer));
    this.#worker.on('error', (cause) => this.#end(stopped(cause)));
    this.#worker.on('exit', () => this.#end(stopped()));
  }

  /**
   * Opens the log of a data directory.
   * @throws {LogError} LOG_IN_USE, LOG_NOT_ACCESSIBLE, LOG_CORRUPT, LOG_WRONG_VERSION, LOG_FULL, LOG_FAILED
   */
  static async open(options: SqliteLogOptions): Promise<SqliteLog> {
    const log = new SqliteLog(options);
    try {
      await log.#ask({ method: 'open', args: [] });
      return log;
    } catch (error) {
      await log.#worker.terminate();
      throw error;
    }
  }

  async createRoom(room: string): Promise<void> {
    await this.#ask({ method: 'createRoom', args: [room] });
  }

  async roomState(room: string): Promise<RoomState | undefined> {
    return (await this.#ask({ method: 'roomState', args: [room] })) as RoomState | undefined;
  }

  async roomCount(): Promise<number> {
    return (await this.#ask({ method: 'roomCount', args: [] })) as number;
  }

  async lastN(room: string, member: string): Promise<number> {
    return (await this.#ask({ method: 'lastN', args: [room, member] })) as number;
  }

  async append(batches: readonly Batch[]): Promise<void> {
    await this.#ask({ method: 'append', args: [batches] });
  }

  async read(room: string, after: number, maxBytes: number): Promise<LogChunk | undefined> {
    return (await this.#ask({ method: 'read', args: [room, after, maxBytes] })) as LogChunk | undefined;
  }

  async prune(before: number): Promise<boolean> {
    return (await this.#ask({ method: 'prune', args: [before] })) as boolean;
  }

  /** Performs what was asked before, and closes. May be called again. */
  async close(): Promise<void> {
    if (this.#ended === undefined) {
      const closed = this.#ask({ method: 'close', args: [] });
      this.#ended = new LogError('LOG_CLOSED', 'The message log is closed.');
      await closed;
    }
    await this.#exited;
  }

  /** Ends the thread at once, whatever it is doing, as a crash would. For tests. */
  async kill(): Promise<void> {
    await this.#worker.terminate();
  }

  #ask(call: LogCall): Promise<unknown> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, ...call } satisfies LogRequest);
    });
  }

  #answered({ id, value, error }: LogAnswer): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(new LogError(error.code, error.message));
  }

  #end(reason: LogError): void {
    this.#ended ??= reason;
    for (const { reject } of this.#waiting.values()) reject(reason);
    this.#waiting.clear();
  }
}

function stopped(cause?: unknown): LogError {
  return new LogError('LOG_FAILED', 'The thread of the message log has stopped. Restart the server.', {
    cause,
  });
}
