/** Why a message is not accepted. The codes are stable. */
export type MessageErrorCode =
  /** The bytes are no envelope. */
  | 'MALFORMED'
  /** An envelope of a version that this program does not know. */
  | 'UNSUPPORTED_VERSION'
  /** The signature is not the member's over these bytes, in this place of this room. */
  | 'FORGED'
  /** The signature is right, the authentication tag is not. */
  | 'TAMPERED'
  /** Authentic, and its content is none that this program understands. */
  | 'MALFORMED_CONTENT';

/** A message that is to be dropped. */
export class MessageError extends Error {
  readonly code: MessageErrorCode;

  constructor(code: MessageErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'MessageError';
    this.code = code;
  }
}
