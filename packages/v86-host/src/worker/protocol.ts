/** What a machine in a worker and its owner say to each other. All of it is plain data. */
import type { MachineState, RunOptions, RunResult } from '../machine.ts';
import type { V86ErrorCode } from '../v86-error.ts';
import type { MachineImages } from '../v86-machine.ts';

/** What the owner can ask for; each is answered once, after any time, in any order. */
export interface Calls {
  /** Once, before all else. `devices` is for the worker's own code, which makes the devices. */
  launch(images: MachineImages, devices: unknown): void;
  run(command: string | readonly string[], options: RunOptions): RunResult;
  pause(): void;
  saveState(): MachineState;
  restoreState(state: MachineState): void;
  stop(): void;
}

export type Method = keyof Calls;

export type Call = {
  [M in Method]: { readonly id: number; readonly method: M; readonly args: Parameters<Calls[M]> };
}[Method];

/** From the owner to the worker. */
export type ToWorker = { readonly type: 'call'; readonly call: Call } | ConsoleMessage;

/** From the worker to the owner. */
export type FromWorker =
  | { readonly type: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly type: 'refusal'; readonly id: number; readonly error: PlainError }
  | { readonly type: 'ended'; readonly error: PlainError }
  | ConsoleMessage;

/** Typed at the guest's console, or written to it by the guest. */
interface ConsoleMessage {
  readonly type: 'console';
  readonly bytes: Uint8Array;
}

export interface PlainError {
  readonly code: V86ErrorCode;
  readonly message: string;
}

/** One end of the channel between a worker and its owner, the same in Node and in browsers. */
export interface Endpoint<Out, In> {
  send(message: Out, transfer?: ArrayBuffer[]): void;
  /** To be called once, before the turn of the event loop ends in which the endpoint was made. */
  listen(listener: (message: In) => void): void;
}

/** The owner's end, and the worker behind it. */
export interface MachineWorker extends Endpoint<ToWorker, FromWorker> {
  /** Rejects when the worker dies without having been terminated. */
  readonly died: Promise<never>;
  terminate(): Promise<void>;
}
