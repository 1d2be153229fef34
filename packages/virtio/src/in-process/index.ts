/** The in-process transport: it needs the threads of Node, the rest of the package does not. */
export { type DeviceWorkerData, serveInWorker } from './device-server.ts';
export { InProcessTransport, type LaunchOptions } from './in-process-transport.ts';
