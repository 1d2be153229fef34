/** Stable names of what can go wrong with a machine; those it shares with guests elsewhere mean the same. */
export type V86ErrorCode =
  | 'unsupported-emulator' // this build of v86 is not the one whose insides are known
  | 'launch-failed' // the emulator did not start
  | 'boot-timeout' // the guest did not come up in time
  | 'guest-panic' // the guest's kernel panicked
  | 'guest-reset' // the guest was reset, or put back to a saved state, while a command ran in it
  | 'guest-gone' // the machine was stopped, or has failed
  | 'guest-protocol' // what the guest says on its second serial port is not the agent's protocol
  | 'emulator-failed' // the emulator itself threw
  | 'timeout' // a command took longer than allowed
  | 'command-failed' // a command ended with a status other than 0 where 0 was demanded
  | 'bad-state'; // a saved state does not fit this machine

export class V86Error extends Error {
  readonly code: V86ErrorCode;

  constructor(code: V86ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'V86Error';
    this.code = code;
  }
}

/** `error` as it is if it is a V86Error, else wrapped into one that says what was under way. */
export function asV86Error(error: unknown, code: V86ErrorCode, context: string): V86Error {
  if (error instanceof V86Error) return error;
  const what = error instanceof Error ? error.message : String(error);
  return new V86Error(code, `${context}: ${what}`, { cause: error });
}
