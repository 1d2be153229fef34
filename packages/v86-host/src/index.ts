export type { BootImages } from './emulator.ts';
export { Machine, type MachineState, type RunOptions, type RunResult } from './machine.ts';
export type { CommandOptions } from './shell-script.ts';
export { unsavable } from './unsavable-device.ts';
export { V86Error, type V86ErrorCode } from './v86-error.ts';
export { type MachineImages, V86Machine, type V86MachineOptions } from './v86-machine.ts';
export {
  VirtioPciFunction,
  type VirtioPciOptions,
  type VirtioPciState,
} from './virtio-pci.ts';
export type { Endpoint, FromWorker, MachineWorker, ToWorker } from './worker/protocol.ts';
export { RemoteMachine } from './worker/remote-machine.ts';
export { serveMachine } from './worker/serve-machine.ts';
export { ownWebEndpoint, webMachineWorker } from './worker/web-worker.ts';
