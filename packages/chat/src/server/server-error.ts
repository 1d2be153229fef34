/** Why a server could not start. The codes are stable. The errors of its log are `LogError`s. */
export type ServerErrorCode =
  /** Another program listens at that address and port. */
  | 'SERVER_PORT_TAKEN'
  /** The port needs a privilege that this process does not have. */
  | 'SERVER_PORT_FORBIDDEN'
  /** This machine does not have that address. */
  | 'SERVER_ADDRESS_UNAVAILABLE'
  /** Any other reason why an address cannot be listened at. */
  | 'SERVER_LISTEN_FAILED'
  /** No server runs in that data directory, or it is not ours to ask. */
  | 'SERVER_NOT_RUNNING'
  /** The running server could not do what it was asked to by its control socket. */
  | 'SERVER_CONTROL_FAILED'
  | 'SERVER_INVALID_CERTIFICATE'
  | 'SERVER_INVALID_SETTING';

export class ServerError extends Error {
  readonly code: ServerErrorCode;

  constructor(code: ServerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ServerError';
    this.code = code;
  }
}
