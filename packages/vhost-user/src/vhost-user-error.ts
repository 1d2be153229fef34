/** Why a vhost-user peer, or what it asked for, was turned away. The codes are stable. */
export type VhostUserErrorCode =
  /** A message that breaks the protocol: its size, its flags, its descriptors. The connection ends. */
  | 'VHOST_USER_BAD_MESSAGE'
  /** A well-formed request that cannot be granted; nothing has changed. */
  | 'VHOST_USER_REFUSED'
  /** The peer closed the connection, or died. */
  | 'VHOST_USER_DISCONNECTED'
  /** The peer did not answer in time. */
  | 'VHOST_USER_TIMEOUT'
  /** The device keeps requests that a queue's stop waits for. The connection ends. */
  | 'VHOST_USER_STOP_TIMEOUT'
  /** The worker that serves a device ended. */
  | 'VHOST_USER_WORKER_DIED';

export class VhostUserError extends Error {
  readonly code: VhostUserErrorCode;

  constructor(code: VhostUserErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'VhostUserError';
    this.code = code;
  }
}

export function badMessage(message: string): VhostUserError {
  return new VhostUserError('VHOST_USER_BAD_MESSAGE', message);
}

export function refused(message: string, options?: ErrorOptions): VhostUserError {
  return new VhostUserError('VHOST_USER_REFUSED', message, options);
}
