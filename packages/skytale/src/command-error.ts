/** How a command ends: the exit codes of all commands, which `skytale --help` and docs/bots.md repeat. */
export const ExitCode = {
  failed: 1,
  /** A wrong flag, argument or setting; nothing was done. */
  usage: 2,
  /** `chat` in a pipe did what it could, and set aside lines that no message can carry. */
  notAllSent: 3,
  /** And the signal's number, where one ended it. */
  signal: 128,
} as const;

/** Why a command ends. The message is one line: what was wrong, and what to do. */
export class CommandError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number = ExitCode.failed, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CommandError';
    this.exitCode = exitCode;
  }
}

/** A wrong flag, argument or setting. */
export class UsageError extends CommandError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, ExitCode.usage, options);
    this.name = 'UsageError';
  }
}
