/** Why an invite, or the passphrase to it, is not accepted. The codes are stable. */
export type InviteErrorCode =
  /** Nothing that looks like an invite. */
  | 'INVITE_NOT_AN_INVITE'
  /** Its end is missing. */
  | 'INVITE_CUT_SHORT'
  /** Room and secret do not belong together, or hold characters that they cannot. */
  | 'INVITE_CHANGED'
  /** Made by a newer version of this program. */
  | 'INVITE_NEWER_VERSION'
  /** The server's address in it is none. */
  | 'INVITE_BAD_ADDRESS'
  /** The room has a passphrase and none was given. */
  | 'INVITE_PASSPHRASE_NEEDED'
  | 'INVITE_WRONG_PASSPHRASE'
  /** Too short for a new room. */
  | 'INVITE_PASSPHRASE_TOO_SHORT';

/** Its message never holds the secret or the passphrase. */
export class InviteError extends Error {
  readonly code: InviteErrorCode;

  constructor(code: InviteErrorCode, message: string) {
    super(message);
    this.name = 'InviteError';
    this.code = code;
  }
}
