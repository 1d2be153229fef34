/** QEMU's monitor: commands and events, one JSON object a line (QEMU, docs/interop/qmp-spec.rst). */
import type { Duplex } from 'node:stream';
import { VmError } from './vm-error.ts';

export type QmpArguments = Readonly<Record<string, unknown>>;

export interface QmpEvent {
  readonly event: string;
  readonly data: QmpArguments;
}

interface Message {
  readonly id?: number;
  readonly return?: unknown;
  readonly error?: { readonly class: string; readonly desc: string };
  readonly event?: string;
  readonly data?: QmpArguments;
}

export class Qmp {
  readonly #channel: Duplex;
  readonly #pending = new Map<number, { command: string; settle: PromiseWithResolvers<unknown> }>();
  readonly #listeners = new Set<(event: QmpEvent) => void>();
  #nextId = 1;
  #line = '';
  #closed: VmError | undefined;

  constructor(channel: Duplex) {
    this.#channel = channel;
    channel.setEncoding('utf8');
    channel.on('data', (text: string) => this.#receive(text));
    channel.on('error', () => {}); // 'close' follows
    channel.on('close', () => this.#close());
  }

  /** Ends the negotiation that QEMU starts with; nothing else is answered before it. */
  async negotiate(): Promise<void> {
    await this.execute('qmp_capabilities');
  }

  /** Carries out a command and returns its result. Rejects with `qmp` and QEMU's words, or `guest-gone`. */
  execute(command: string, args: QmpArguments = {}): Promise<unknown> {
    if (this.#closed) return Promise.reject(this.#closed);
    const id = this.#nextId++;
    const settle = Promise.withResolvers<unknown>();
    this.#pending.set(id, { command, settle });
    this.#channel.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
    return settle.promise;
  }

  /** Calls `listener` with each event until the function returned is called. */
  subscribe(listener: (event: QmpEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #receive(text: string): void {
    const lines = (this.#line + text).split('\n');
    this.#line = lines.pop()!;
    for (const line of lines) if (line.trim() !== '') this.#handle(JSON.parse(line));
  }

  #handle(message: Message): void {
    if (message.event !== undefined) {
      for (const listener of this.#listeners) listener({ event: message.event, data: message.data ?? {} });
      return;
    }
    const request = message.id === undefined ? undefined : this.#pending.get(message.id);
    if (request === undefined) return; // the greeting
    this.#pending.delete(message.id!);
    if (message.error === undefined) request.settle.resolve(message.return);
    else request.settle.reject(new VmError('qmp', `QEMU refused ${request.command}: ${message.error.desc}`));
  }

  #close(): void {
    this.#closed = new VmError('guest-gone', 'QEMU has ended');
    for (const { settle } of this.#pending.values()) settle.reject(this.#closed);
    this.#pending.clear();
  }
}
