/** Why a command ends. The message is one line: what was wrong, and what to do. */
export class CommandError extends Error {
  /** 1: it failed; 2: it was called wrongly; 128 + n: ended by signal n. */
  readonly exitCode: number;

  constructor(message: string, exitCode = 1, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CommandError';
    this.exitCode = exitCode;
  }
}

/** A wrong flag, argument or setting. */
export class UsageError extends CommandError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, 2, options);
    this.name = 'UsageError';
  }
}
