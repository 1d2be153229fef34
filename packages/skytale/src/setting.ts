/** What a setting of a command is. */

export type Environment = Readonly<Record<string, string | undefined>>;

/** One setting. Its name in the table is the flag's, without the dashes. */
export type Setting<T> = {
  /** What stands for its value in the help; a setting without one is a switch. */
  readonly value?: string;
  readonly help: string;
  /** @throws {Error} whose message says what the value must be, as in `is not …` */
  readonly parse: (text: string) => T;
  /** The value when none is given, as it would be given; or undefined, which then is the value. */
  readonly fallback: (env: Environment) => string | undefined;
  /** The fallback in words, where the text of it would not help. */
  readonly fallbackHelp?: string;
  /** Heading in the help. */
  readonly group?: string;
};
