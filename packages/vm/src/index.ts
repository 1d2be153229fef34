export {
  armProgramPackages,
  buildModules,
  buildProgram,
  buildTree,
  crossCompile,
  programPackages,
  runInTree,
} from './build-tree.ts';
export { busybox } from './busybox.ts';
export { cacheDirectory, cached } from './cache.ts';
export type { GuestProcess } from './command-slot.ts';
export { kernelComplaints } from './console-log.ts';
export { type CpioEntry, cpioArchive } from './cpio.ts';
export type { DebianArchitecture, DebianSuite } from './debian-apt.ts';
export { debianTree, type Progress, type TreeRequest } from './debian-packages.ts';
export { debianSource } from './debian-source.ts';
export { changesTo, type DebianSystem, dkmsSystem } from './debian-system.ts';
export { Guest, type GuestEnd, type GuestOptions, type RunOptions, type RunResult } from './guest.ts';
export { buildInitramfs, type InitramfsOptions, storeInitramfs } from './initramfs.ts';
export { debianKernel, type Kernel, type KernelName, kernelSources } from './kernel.ts';
export { readModules } from './modules.ts';
export { armQemu, type DebianQemuMajor, debianQemu, findQemu, hostQemu, type Qemu } from './qemu.ts';
export {
  builtinCrypto,
  deviceArguments,
  type QemuDevice,
  type QemuVersion,
  sharedMemoryArguments,
  vhostUserCrypto,
  vhostUserDevice,
} from './qemu-devices.ts';
export { seabios } from './seabios.ts';
export { type CommandOptions, quote } from './shell.ts';
export { attach, type Streams } from './terminal.ts';
export { VmError, type VmErrorCode } from './vm-error.ts';
