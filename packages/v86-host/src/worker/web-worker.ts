/** Workers of browsers. */
import type { Endpoint, FromWorker, MachineWorker, ToWorker } from './protocol.ts';

/** The worker in which this is called, towards its owner. */
export function ownWebEndpoint(): Endpoint<FromWorker, ToWorker> {
  const scope = globalThis as unknown as DedicatedWorkerGlobalScope;
  return {
    send: (message, transfer = []) => scope.postMessage(message, transfer),
    listen: (listener) => scope.addEventListener('message', ({ data }) => listener(data)),
  };
}

/** A worker that was started from a module which calls `serveMachine(ownWebEndpoint(), …)`. */
export function webMachineWorker(worker: Worker): MachineWorker {
  const { promise: died, reject } = Promise.withResolvers<never>();
  died.catch(() => {}); // of interest to whoever listens
  worker.addEventListener('error', ({ message }) => reject(new Error(message || 'it could not be loaded')));
  return {
    died,
    send: (message, transfer = []) => worker.postMessage(message, transfer),
    listen: (listener) => worker.addEventListener('message', ({ data }) => listener(data as FromWorker)),
    terminate: async () => worker.terminate(),
  };
}
