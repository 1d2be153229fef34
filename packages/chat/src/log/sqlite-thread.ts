import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { LogError } from './log-error.ts';
import type { SqliteCopier } from './sqlite-copier.ts';
import type { Damage } from './sqlite-database.ts';
import type { SqliteReader } from './sqlite-reader.ts';
import type { SqliteWriter } from './sqlite-writer.ts';
import type { ThreadMessage, ThreadRequest, ThreadRole } from './thread-messages.ts';

interface Waiting {
  readonly request: ThreadRequest;
  readonly transfer: ArrayBuffer[];
  readonly isWanted: (() => boolean) | undefined;
  resolve(value: unknown): void;
  reject(error: LogError): void;
}

interface CallOptions {
  readonly urgent?: boolean;
  readonly transfer?: ArrayBuffer[];
  readonly isWanted?: (() => boolean) | undefined;
}

/** Requests that a thread has been given and has not answered: one that it works at, and one so that it need not wait. */
const GIVEN = 2;

/** Whom a thread tells. */
export interface ThreadEvents {
  damage(damage: Damage): void;
  /** The write-ahead log is to be copied. */
  long?(): void;
  /** Told once why nothing more can be asked, unless `close` was called. */
  end(reason: LogError): void;
}

/** Names of the methods of T, with what they take and give. */
type Methods<T> = { [K in keyof T as T[K] extends (...args: never[]) => unknown ? K : never]: T[K] };

/**
 * A thread of the log as the others see it. Requests wait here, not in the thread: those that are urgent pass those
 * that are not. Every promise ends, at the latest with the thread.
 */
export class SqliteThread<T extends SqliteReader | SqliteWriter | SqliteCopier> {
  readonly #worker: Worker;
  readonly #exited: Promise<unknown>;
  readonly #events: ThreadEvents;
  readonly #given = new Map<number, Waiting>();
  readonly #urgent: Waiting[] = [];
  readonly #others: Waiting[] = [];
  #nextId = 1;
  #ended: LogError | undefined;

  constructor(role: ThreadRole, events: ThreadEvents) {
    this.#events = events;
    this.#worker = new Worker(new URL('./sqlite-worker.ts', import.meta.url), { workerData: role });
    this.#exited = once(this.#worker, 'exit').catch(() => undefined);
    const end = (cause?: unknown) => {
      if (this.#ended === undefined) {
        this.#ended = gone(cause);
        events.end(this.#ended);
      }
      this.#rejectAll();
    };
    this.#worker.on('message', (answer: ThreadMessage) => this.#answered(answer));
    this.#worker.on('error', end);
    this.#worker.on('exit', () => end());
  }

  open(): Promise<unknown> {
    return this.#ask('open', [], true, []);
  }

  /**
   * Calls a method there. What is urgent is done before what is not, and otherwise in the order of asking.
   * @param isWanted looked at when its turn has come: what nobody waits for any more is not done, and resolves with `undefined`
   */
  call<K extends keyof Methods<T> & string>(
    method: K,
    args: Methods<T>[K] extends (...args: infer A) => unknown ? A : never,
    { urgent = true, transfer = [], isWanted }: CallOptions = {},
  ): Promise<Methods<T>[K] extends (...args: never[]) => infer R ? R : never> {
    return this.#ask(method, args as unknown[], urgent, transfer, isWanted) as never;
  }

  /** Does what was asked before, closes the connection, and ends the thread. */
  async close(): Promise<void> {
    if (this.#ended === undefined) {
      const closed = this.#ask('close', [], false, []);
      this.#ended = new LogError('LOG_CLOSED', 'The message log is closed.');
      await closed.catch(() => undefined);
    }
    await this.#exited;
  }

  /** Ends the thread at once, whatever it is doing. */
  async kill(): Promise<void> {
    await this.#worker.terminate();
  }

  #ask(
    method: string,
    args: readonly unknown[],
    urgent: boolean,
    transfer: ArrayBuffer[],
    isWanted?: () => boolean,
  ): Promise<unknown> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const request = { id: this.#nextId, method, args };
    this.#nextId += 1;
    return new Promise((resolve, reject) => {
      (urgent ? this.#urgent : this.#others).push({ request, transfer, isWanted, resolve, reject });
      this.#give();
    });
  }

  #give(): void {
    while (this.#given.size < GIVEN) {
      const next = this.#urgent.shift() ?? this.#others.shift();
      if (next === undefined) return;
      if (next.isWanted?.() === false) {
        next.resolve(undefined);
        continue;
      }
      this.#given.set(next.request.id, next);
      this.#worker.postMessage(next.request, next.transfer);
    }
  }

  #answered(answer: ThreadMessage): void {
    if ('damage' in answer) {
      this.#events.damage(answer.damage);
      return;
    }
    if ('long' in answer) {
      this.#events.long?.();
      return;
    }
    const { id, value, error } = answer;
    const waiting = this.#given.get(id);
    this.#given.delete(id);
    this.#give();
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(new LogError(error.code, error.message));
  }

  #rejectAll(): void {
    const reason = this.#ended ?? gone();
    const all = [...this.#given.values(), ...this.#urgent.splice(0), ...this.#others.splice(0)];
    this.#given.clear();
    for (const { reject } of all) reject(reason);
  }
}

function gone(cause?: unknown): LogError {
  return new LogError('LOG_GONE', 'A thread of the message log has ended. Restart the server.', { cause });
}
