/** Why the log could not do what it was asked to. The codes are stable. */
export type LogErrorCode =
  /** The disk, or the space that the settings grant, is full. Nothing of the append was stored. */
  | 'LOG_FULL'
  /** Another process has this data directory open. */
  | 'LOG_IN_USE'
  /** The data directory cannot be made, read or written. */
  | 'LOG_NOT_ACCESSIBLE'
  /** The database is damaged, or is no database of this program. */
  | 'LOG_CORRUPT'
  /** The database was written by a newer version of this program. */
  | 'LOG_WRONG_VERSION'
  /** An append that does not continue the room, or a room that was not created: a mistake of the caller. */
  | 'LOG_OUT_OF_ORDER'
  /** The room is not known, or was deleted. */
  | 'LOG_NO_SUCH_ROOM'
  /** The log was closed. */
  | 'LOG_CLOSED'
  /** Anything else: input or output failed, or the log's thread is gone. */
  | 'LOG_FAILED';

export class LogError extends Error {
  readonly code: LogErrorCode;

  constructor(code: LogErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'LogError';
    this.code = code;
  }
}
