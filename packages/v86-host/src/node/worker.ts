/** Workers of Node. */
import { parentPort, Worker } from 'node:worker_threads';
import type { Endpoint, FromWorker, MachineWorker, ToWorker } from '../worker/protocol.ts';

/**
 * The worker in which this is called, towards its owner.
 * @throws {Error} if it is called in no worker
 */
export function ownNodeEndpoint(): Endpoint<FromWorker, ToWorker> {
  const port = parentPort;
  if (port === null) throw new Error('this is no worker: start it with nodeMachineWorker()');
  return {
    send: (message, transfer = []) => port.postMessage(message, transfer),
    listen: (listener) => port.on('message', listener),
  };
}

/** Starts a worker from a module which calls `serveMachine(ownNodeEndpoint(), …)`. */
export function nodeMachineWorker(module: URL): MachineWorker {
  const worker = new Worker(module);
  const { promise: died, reject } = Promise.withResolvers<never>();
  died.catch(() => {}); // of interest to whoever listens
  worker.on('error', reject);
  worker.on('exit', (code) => reject(new Error(`it ended with exit code ${code}`)));
  return {
    died,
    send: (message, transfer = []) => worker.postMessage(message, transfer),
    listen: (listener) => worker.on('message', listener),
    terminate: async () => void (await worker.terminate()),
  };
}
