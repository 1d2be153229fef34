/** The worker of `serveDevice`: makes the device, serves it until it is told to stop. */
import { parentPort, workerData } from 'node:worker_threads';
import { VhostUserBackend } from './backend.ts';
import { Counters } from './backend-events.ts';
import { FileDescriptor } from './ffi/file-descriptor.ts';
import type { ServableDevice } from './servable-device.ts';
import type { WorkerInput } from './serve-device.ts';

const { options, module, counters, stopFd } = workerData as WorkerInput;
const { default: makeDevice } = (await import(module)) as {
  default: (options: unknown) => ServableDevice | Promise<ServableDevice>;
};
// SAFETY: the number is the parent's, which closes it after this thread has ended. It is not disposed of here.
const stopDescriptor = new FileDescriptor(stopFd);

await using backend = new VhostUserBackend(await makeDevice(options.deviceOptions), {
  ...options,
  counters: new Counters(counters),
  onEvent: (event) => parentPort?.postMessage(event),
});
backend.stopOn(stopDescriptor);
await backend.run();
