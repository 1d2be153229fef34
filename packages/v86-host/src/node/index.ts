/** What only Node can do: its workers, and the files of this package and of v86. */
export { guestInit, v86Wasm } from './files.ts';
export { nodeMachineWorker, ownNodeEndpoint } from './worker.ts';
