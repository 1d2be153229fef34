/** The owner's side: a machine that runs in a worker. */
import { Machine, type MachineState, type RunOptions, type RunResult } from '../machine.ts';
import { V86Error } from '../v86-error.ts';
import type { MachineImages } from '../v86-machine.ts';
import type { Call, Calls, FromWorker, MachineWorker, Method } from './protocol.ts';

export class RemoteMachine extends Machine {
  readonly ended: Promise<V86Error>;
  readonly #worker: MachineWorker;
  readonly #pending = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #settleEnded: (error: V86Error) => void;
  #calls = 0;
  #end: V86Error | undefined;
  #stopped: Promise<void> | undefined;

  /**
   * Starts a machine in a worker whose code calls `serveMachine`; resolves when it takes commands. The worker ends
   * with the machine. Rejects as `V86Machine.launch` does, and with `guest-gone` if the worker dies.
   * @param devices for the worker's own code, which makes the devices
   */
  static async launch(
    worker: MachineWorker,
    images: MachineImages,
    devices: unknown = undefined,
  ): Promise<RemoteMachine> {
    const machine = new RemoteMachine(worker);
    try {
      await machine.#call('launch', images, devices);
      return machine;
    } catch (error) {
      await worker.terminate();
      throw error;
    }
  }

  private constructor(worker: MachineWorker) {
    super();
    const { promise, resolve } = Promise.withResolvers<V86Error>();
    this.ended = promise;
    this.#settleEnded = resolve;
    this.#worker = worker;
    worker.listen((message) => this.#take(message));
    worker.died.catch((error: Error) => {
      this.#fail(new V86Error('guest-gone', `the machine's worker died: ${error.message}`, { cause: error }));
    });
  }

  run(command: string | readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return this.#call('run', command, options);
  }

  writeConsole(data: string | Uint8Array): void {
    if (this.#end !== undefined) return;
    const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
    this.#worker.send({ type: 'console', bytes });
  }

  pause(): Promise<void> {
    return this.#call('pause');
  }

  saveState(): Promise<MachineState> {
    return this.#call('saveState');
  }

  restoreState(state: MachineState): Promise<void> {
    return this.#call('restoreState', state);
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#close();
    return this.#stopped;
  }

  #call<M extends Method>(method: M, ...args: Parameters<Calls[M]>): Promise<ReturnType<Calls[M]>> {
    if (this.#end !== undefined) return Promise.reject(this.#end);
    const id = ++this.#calls;
    const pending = Promise.withResolvers<unknown>();
    this.#pending.set(id, pending);
    this.#worker.send({ type: 'call', call: { id, method, args } as unknown as Call });
    return pending.promise as Promise<ReturnType<Calls[M]>>;
  }

  #take(message: FromWorker): void {
    switch (message.type) {
      case 'console':
        this.receiveConsole(message.bytes);
        break;
      case 'ended':
        this.#settleEnded(new V86Error(message.error.code, message.error.message));
        break;
      case 'answer':
        this.#settle(message.id)?.resolve(message.value);
        break;
      case 'refusal':
        this.#settle(message.id)?.reject(new V86Error(message.error.code, message.error.message));
        break;
    }
  }

  #settle(id: number): PromiseWithResolvers<unknown> | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }

  /** Nothing more will come of the worker. */
  #fail(reason: V86Error): void {
    if (this.#end !== undefined) return;
    this.#end = reason;
    this.#settleEnded(reason);
    for (const pending of this.#pending.values()) pending.reject(reason);
    this.#pending.clear();
  }

  async #close(): Promise<void> {
    try {
      if (this.#end === undefined) await this.#call('stop');
    } finally {
      this.#fail(new V86Error('guest-gone', 'the machine was stopped'));
      await this.#worker.terminate();
    }
  }
}
