/** Serves a device in a worker thread of its own. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { AttachmentOptions } from './attachment.ts';
import { type BackendEvent, type CounterName, Counters } from './backend-events.ts';
import { EventFd } from './ffi/event-fd.ts';
import { VhostUserError } from './vhost-user-error.ts';

export interface ServeOptions extends AttachmentOptions {
  /** Path of the Unix socket to listen on. */
  readonly socket: string;
  /**
   * The module that makes the device, in the worker: its default export is called with `deviceOptions` and
   * returns the device, or a promise of it.
   */
  readonly device: URL;
  /** Anything that can be cloned. */
  readonly deviceOptions?: unknown;
  readonly onEvent?: (event: BackendEvent) => void;
}

/** What the worker is given. */
export interface WorkerInput {
  readonly options: Omit<ServeOptions, 'device' | 'onEvent'>;
  readonly module: string;
  readonly counters: SharedArrayBuffer;
  /** An eventfd that this thread keeps open: it means stop. */
  readonly stopFd: number;
}

/** A device that is being served. */
export interface ServedBackend extends AsyncDisposable {
  /** Totals since the start; may be read at any time. */
  counters(): Record<CounterName, number>;
  /** Resolves when the worker has ended, by `stop`; rejects if it died of an error. */
  readonly ended: Promise<void>;
  /** Detaches the front end, closes the device, ends the worker. Stopping twice is fine. */
  stop(): Promise<void>;
}

/**
 * Starts a worker that serves the device, and waits until it listens.
 * @throws {VhostUserError} VHOST_USER_WORKER_DIED if it cannot; the message says why
 */
export async function serveDevice({ device, onEvent, ...options }: ServeOptions): Promise<ServedBackend> {
  const counters = new Counters();
  const stopEvent = EventFd.create();
  const input: WorkerInput = {
    options,
    module: device.href,
    counters: counters.buffer as SharedArrayBuffer,
    stopFd: stopEvent.descriptor.number,
  };
  const worker = new Worker(new URL('./backend-worker.ts', import.meta.url), {
    workerData: input,
    name: 'vhost-user',
  });
  // The worker waits in the kernel, where an exit of the process cannot reach it, but waits for it to end.
  const onProcessExit = () => stopEvent.signal();
  process.once('exit', onProcessExit);
  const ended = untilExit(worker).finally(() => {
    process.removeListener('exit', onProcessExit);
    stopEvent[Symbol.dispose]();
  });
  // Whoever does not look at it is told by `stop`, or not at all.
  ended.catch(() => {});
  const listening = new Promise<void>((resolve) => {
    worker.on('message', (event: BackendEvent) => {
      onEvent?.(event);
      if (event.event === 'listening') resolve();
    });
  });
  await Promise.race([listening, ended.then(() => Promise.reject(died('it ended before it listened')))]);
  const stop = async () => {
    if (stopEvent.descriptor.number >= 0) stopEvent.signal();
    await ended;
  };
  return { counters: () => counters.read(), ended, stop, [Symbol.asyncDispose]: stop };
}

async function untilExit(worker: Worker): Promise<void> {
  try {
    // `once` rejects with the error that ends a worker.
    const [code] = await once(worker, 'exit');
    if (code !== 0) throw new Error(`exit code ${code}`);
  } catch (error) {
    throw died((error as Error).message, error);
  }
}

function died(why: string, cause?: unknown): VhostUserError {
  return new VhostUserError('VHOST_USER_WORKER_DIED', `the thread that serves the device ended: ${why}`, {
    cause,
  });
}
