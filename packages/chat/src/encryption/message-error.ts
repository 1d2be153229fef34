/** Why a message is not accepted. The codes are stable. */
export type MessageErrorCode =
  /** The bytes are no envelope. */
  | 'MALFORMED'
  /** The signature is not the member's over these bytes, under this number of this room. */
  | 'FORGED'
  /** The signature is right; the envelope is of a version that this program does not know. */
  | 'UNSUPPORTED_VERSION'
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

  /** Whether its member did say something under this number, though nobody here understands what. */
  get isAuthentic(): boolean {
    return this.code === 'UNSUPPORTED_VERSION' || this.code === 'MALFORMED_CONTENT';
  }
}
