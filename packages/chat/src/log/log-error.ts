/** Why the log could not do what it was asked to. The codes are stable. */
export type LogErrorCode =
  /** The disk, or the space that the settings grant, is full. Nothing of the append was stored. */
  | 'LOG_FULL'
  /** Another program held the database locked for too long, or the room was deleted and is not yet gone. Nothing was stored; later it may go. */
  | 'LOG_BUSY'
  /** The room was never created, or was deleted. */
  | 'LOG_NO_ROOM'
  /** What is stored of this room or member is damaged beyond repair. Other rooms are not touched by it. */
  | 'LOG_DAMAGED'
  /** A batch whose places are no range, that has no frames, or whose names are none: a mistake of the caller. */
  | 'LOG_INVALID'
  /** This data directory is open already, in this process or another. */
  | 'LOG_IN_USE'
  /** The data directory cannot be made, read or written. */
  | 'LOG_NOT_ACCESSIBLE'
  /** The file is no database of this program, or damaged in a way that it cannot be opened. */
  | 'LOG_CORRUPT'
  /** The database was written by a newer version of this program. */
  | 'LOG_WRONG_VERSION'
  /** Input or output failed, or SQLite in another way. Nothing was stored; later it may go. */
  | 'LOG_FAILED'
  /** The log was closed. */
  | 'LOG_CLOSED'
  /** A thread of the log has ended: whether what was asked for is stored, only opening it again tells. */
  | 'LOG_GONE';

export class LogError extends Error {
  readonly code: LogErrorCode;

  constructor(code: LogErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'LogError';
    this.code = code;
  }

  /** Whether everything that this log is asked from now on will fail too. */
  get final(): boolean {
    return this.code === 'LOG_CLOSED' || this.code === 'LOG_GONE';
  }
}

/** For one who watches a room and has not been given what stood behind the place `after`: it was pruned, and nobody can be given it. */
export function goneBehind(after: number): LogError {
  return new LogError('LOG_FAILED', `What is stored behind place ${after} of a room is not there any more.`);
}

/** The id of a room or a member as errors and logs name it: enough to find it, not enough to say who it is. */
export function shortId(hex: string): string {
  return hex.slice(0, 8);
}
