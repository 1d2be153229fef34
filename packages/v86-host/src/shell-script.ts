/** Commands as text for a POSIX shell. */

export interface CommandOptions {
  /** Where it runs; `/` if not given. */
  readonly cwd?: string;
  /** Added to the guest's environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A word that a shell takes as it is. */
const quote = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;

/** A script that runs `command`: a script itself, or a program and its arguments. */
export function shellScript(command: string | readonly string[], { cwd, env = {} }: CommandOptions): string {
  const lines = Object.entries(env).map(([name, value]) => {
    if (!/^[A-Za-z_]\w*$/.test(name)) throw new RangeError(`${name} is no name of an environment variable`);
    return `export ${name}=${quote(value)}\n`;
  });
  if (cwd !== undefined) lines.push(`cd ${quote(cwd)} || exit 127\n`);
  const text = typeof command === 'string' ? command : `exec ${command.map(quote).join(' ')}`;
  return `${lines.join('')}${text}\n`;
}
