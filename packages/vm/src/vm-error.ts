/** Stable names of what can go wrong with a guest or with what it is made of. */
export type VmErrorCode =
  | 'missing-program' // a program of the host is not installed
  | 'unknown-mirror' // the host's package sources name no Debian mirror
  | 'fetch-failed' // packages could not be downloaded or unpacked
  | 'not-found' // a kernel, module or QEMU that was asked for does not exist
  | 'unsupported' // this QEMU cannot do what was asked
  | 'launch-failed' // QEMU ended before the guest was up
  | 'boot-timeout' // the guest did not come up in time
  | 'guest-panic' // the guest's kernel panicked
  | 'guest-reset' // the guest was reset while a command ran in it
  | 'guest-gone' // the guest ended, or was ended
  | 'timeout' // a command, or an answer of QEMU, took longer than allowed
  | 'command-failed' // a command ended with a status other than 0 where 0 was demanded
  | 'qmp' // QEMU's monitor refused a command
  | 'kernel-log'; // the guest's kernel complained

export class VmError extends Error {
  readonly code: VmErrorCode;

  constructor(code: VmErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'VmError';
    this.code = code;
  }
}
